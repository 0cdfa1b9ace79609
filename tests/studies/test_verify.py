"""Bars and verify: rules at their edges, rows and exit codes, a tenth of the steps, bad names."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genbench.cli import main
from genbench.data import open_dataset
from genbench.models import CATALOG
from genbench.report.bars import bars_text
from genbench.studies import verify as room
from genbench.studies.bars import BARS
from genbench.studies.bars.bar import at_least, at_most, wins, within
from genbench.studies.bars.lab import Lab
from genbench.studies.verify import verify

values = st.lists(st.floats(-10, 10), min_size=1, max_size=5)


@given(values, st.floats(-10, 10))
def test_every_seed_must_reach_the_bound(found, bound):
    assert at_most("x", found, bound).passed == (max(found) <= bound)
    assert at_least("x", found, bound).passed == (min(found) >= bound)
    assert within("x", found, bound, bound + 1).passed == (
        bound <= min(found) and max(found) <= bound + 1
    )


def test_a_number_that_is_none_reaches_nothing():
    nan = [0.5, math.nan, 0.5]
    assert not (
        at_most("x", nan, 1).passed or at_least("x", nan, 0).passed or wins("x", nan).passed
    )


@pytest.mark.parametrize(
    ("gains", "passed"),
    [
        ([0.1, 0.2, 0.3], True),  # 3 of 3
        ([0.1, 5.0, 0.001], True),
        ([0.1, 0.2], False),  # two pairs: the interval is .15 +- .64
        ([0.1, 0.2, -0.3], False),
        ([1.0, 1.1, 1.2, 0.9, 1.0, 1.1, -0.05], True),  # mean .89 +- .39
        ([0.0, 0.1, 0.2], False),
        ([0.5], False),
    ],
)
def test_comparisons_are_paired(gains, passed):
    assert wins("x", gains).passed == passed


class Entry:
    def __init__(self, bars):
        self.bars = bars

    def load(self):
        return self.bars


@pytest.fixture
def two_systems(monkeypatch):
    def good(lab):
        yield at_most("error", [0.1 * (seed + 1) for seed in lab.seeds], 0.5, floor=0.05)

    def bad(lab):
        yield at_least("share", [0.2] * len(lab.seeds), 0.5)
        yield at_least("number", [math.nan], 0.0)

    monkeypatch.setattr(room, "BARS", {"good": Entry(good), "bad": Entry(bad)})


def test_rows_tables_and_exit_codes(two_systems, tmp_path, capsys):
    assert main(["verify", "good", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("good: 1 bars reached")
    assert main(["verify", "--out", str(tmp_path)]) == 1
    out = capsys.readouterr()
    assert "bad: 2 of 2 bars missed" in out.out and "bad: share: FAIL" in out.err
    (row,) = map(json.loads, (tmp_path / "good.jsonl").read_text().splitlines())
    assert row["values"] == pytest.approx([0.1, 0.2, 0.3]) and row["beside"] == {"floor": 0.05}
    assert (tmp_path / "verify.txt").read_text() == out.out
    assert json.loads((tmp_path / "bad.jsonl").read_text().splitlines()[1])["values"] == [None]
    assert main(["verify", "god", "--out", str(tmp_path)]) == 2
    assert "name: unknown name 'god'; did you mean 'good'" in capsys.readouterr().err


def test_quick_asks_for_numbers_alone(two_systems, tmp_path):
    rows = verify(out=tmp_path, quick=True).rows
    assert [(row["passed"], row["rule"]) for row in rows] == [
        (True, "finite"),
        (True, "finite"),
        (False, "finite"),
    ]
    assert Lab(quick=True).steps(105) == 10 and Lab(quick=True).steps(3) == 1
    assert Lab().steps(105) == 105


def test_a_lab_trains_from_its_seed_alone():
    def trained(seed):
        model = Lab().train("autoencoder", open_dataset("digits"), seed=seed, steps=3)
        return [p.detach().clone() for p in model.parameters()]

    one, again, other = trained(0), trained(0), trained(1)
    assert all((a == b).all() for a, b in zip(one, again, strict=True))
    assert not all((a == b).all() for a, b in zip(one, other, strict=True))


def test_the_table_is_as_wide_as_a_terminal():
    row = {"system": "s", "what": "w " * 40, "values": [1 / 3] * 9, "rule": "<= 1", "seconds": 1.0}
    text = bars_text([{**row, "passed": False, "beside": {f"name{i}": i / 7 for i in range(20)}}])
    assert max(map(len, text.splitlines())) <= 100 and text.count("0.3333") == 9


def test_every_entry_loads():
    for name, entry in BARS.items():
        assert callable(entry.load()), name
        assert name in CATALOG or name == "probe"
