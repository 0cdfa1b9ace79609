"""Published numbers: whole, possible, and compared only under their own protocol."""

import json
import math
from importlib import resources

import pytest
from study_rows import row

from genbench.data import CATALOG
from genbench.report.groups import group_rows
from genbench.report.page import render_page
from genbench.report.published import concerns, published

TABLES = json.loads((resources.files("genbench.report") / "published.json").read_text())
MODES = {"ring8": 8, "grid25": 25, "stacked-digits": 1000}


def beside(**changes):
    (group,) = group_rows([row("non_saturating", s, specification={}, **changes) for s in (0, 1)])
    return published(group)


@pytest.mark.parametrize("entry", TABLES["entries"], ids=lambda e: f"{e['source']}-{e['method']}")
def test_every_line_is_possible(entry):
    source, scores = TABLES["sources"][entry["source"]], entry["scores"]
    year, number = source["arxiv"].split(".")
    assert len(year) == 4 and len(number) == 5 and isinstance(entry["from_figure"], bool)
    count = MODES[entry["data"][0]]
    modes = scores["modes"][0]
    assert 0 < modes <= count and 0 <= scores.get("high_quality", [0])[0] <= 1
    if "kl" in scores:  # a mean of KL may lie a little off the bound at the mean of modes
        assert math.log(count / modes) - 0.35 <= scores["kl"][0] <= math.log(count)


def test_lines_stand_beside_their_data_alone():
    assert not beside(data="spiral")
    assert {line.method for line in beside(data="ring8-pacgan")} >= {"GAN", "PacGAN2", "WGAN-GP"}
    assert not concerns({"data": ["ring8"]}, "ring80")
    assert "MNIST, 28x28" in beside(data="stacked-digits")[0].notes


def test_a_difference_needs_the_same_protocol_and_loss():
    assert not any(line.differences for line in beside(protocol="quick"))
    lines = beside(data="ring8-pacgan", protocol="pacgan", steps=40_000, modes=7)
    (mine,) = [line for line in lines if line.differences]
    assert (mine.method, mine.values["modes"], mine.values["high_quality"]) == (
        "GAN", "6.3 (0.5)", "98.2 (0.2)",
    )  # fmt: skip
    assert mine.differences == {"modes": "+0.7", "high_quality": "-48.2", "kl": "-0.350"}
    assert mine.notes[0] == "read from a figure"
    assert "published after 400,000 steps, ours 40,000" in mine.notes


@pytest.mark.parametrize(
    ("data", "protocol", "differences"),
    [
        ("ring8-pacgan", "pacgan", 1),
        ("grid25", "pacgan", 1),
        ("ring8", "pacgan", 0),  # sigma .05, theirs is .01
        ("grid25-wgan_gp", "pacgan", 0),  # all over 2.828
        ("stacked-digits", "pacgan", 0),  # 8x8 digits and points' networks, theirs are MNIST's
        ("stacked-digits", "veegan", 0),
        ("ring8", "veegan", 1),
    ],
)
def test_a_difference_needs_the_same_data(data, protocol, differences):
    lines = beside(data=data, protocol=protocol)
    assert lines and sum(bool(line.differences) for line in lines) == differences


def test_data_that_are_theirs_exist():
    assert {name for source in TABLES["sources"].values() for name in source["ours"]} <= set(
        CATALOG
    )


def test_a_scoring_without_networks_says_so():
    (mine,) = [line for line in beside(protocol="veegan") if line.differences]
    assert mine.method == "GAN" and mine.notes[-1].startswith("the paper gives no networks")


def test_the_page_keeps_them_in_a_table_of_their_own():
    page = render_page(group_rows([row(protocol="pacgan", data="ring8-pacgan")]))
    ranking, theirs = page.split("Published on this data")
    assert "1712.04086" in theirs and "1712.04086" not in ranking
    assert "PacGAN2" not in ranking and "modes +1.7" in theirs
