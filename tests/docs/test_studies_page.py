"""docs/studies.md and docs/training.md name every protocol, data set, score and option."""

import re
from pathlib import Path

import pytest

from genbench.cli import main
from genbench.data import CATALOG
from genbench.studies.protocols import PROTOCOLS
from genbench.studies.tasks import SCORES

DOCS = Path(__file__).parents[2] / "docs"
PAGE, TRAINING = ((DOCS / name).read_text() for name in ("studies.md", "training.md"))


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_table_has_every_protocol_and_its_numbers():
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| ([\d,]+) steps, .*?([\d,]+) samples \|$", PAGE, re.MULTILINE
    )
    told = {name: (steps.replace(",", ""), n.replace(",", "")) for name, steps, n in rows}
    assert told == {name: (str(p.steps), str(p.samples)) for name, p in PROTOCOLS.items()}


def test_every_data_set_is_named():
    named = re.findall(r"`([\w-]+)(?:=FOLDER)?`", section("Data") + TRAINING)
    assert set(CATALOG) <= set(named)


def test_every_option_of_training_is_described(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options and {o for o in options if f"`{o}" not in TRAINING} == set()


def test_every_score_is_described():
    rows = [line.split("|")[1] for line in section("Scores").splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(SCORES)
