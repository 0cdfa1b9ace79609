"""docs/studies.md names every protocol, every data set and every score."""

import re
from pathlib import Path

from genbench.data import CATALOG
from genbench.studies.protocols import PROTOCOLS
from genbench.studies.tasks import SCORES

PAGE = (Path(__file__).parents[2] / "docs" / "studies.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_table_has_every_protocol_and_its_numbers():
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| ([\d,]+) steps, .*?([\d,]+) samples \|$", PAGE, re.MULTILINE
    )
    told = {name: (steps.replace(",", ""), n.replace(",", "")) for name, steps, n in rows}
    assert told == {name: (str(p.steps), str(p.samples)) for name, p in PROTOCOLS.items()}


def test_every_data_set_is_named():
    named = set(re.findall(r"`([\w-]+)(?:=FOLDER)?`", section("Data")))
    assert set(CATALOG) <= named


def test_every_score_is_described():
    rows = [line.split("|")[1] for line in section("Scores").splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(SCORES)
