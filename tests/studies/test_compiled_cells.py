"""A cell whose steps are one compiled graph: the eager cell's numbers, and resume bit for bit."""

import pytest
import torch

from genbench.errors import InputError
from genbench.studies import mode_collapse
from genbench.studies.cells import Cell
from genbench.studies.execute import run_cell
from genbench.train import graphs

pytestmark = pytest.mark.skipif(not graphs.compiler_found(), reason="no C++ compiler")
SMALL = {"width": 8, "depth": 1}


@pytest.fixture(scope="module")
def eager(tmp_path_factory):
    """The row of an eager cell in float64, and the study's folder."""
    out = tmp_path_factory.mktemp("eager") / "out"
    result = mode_collapse(
        data="ring8",
        losses="non_saturating+r1",
        seeds=1,
        steps=60,
        dtype="float64",
        config=SMALL,
        workers=1,
        out=out,
    )
    return result.rows[0], out


def compiled_row(eager, out, stop_at=None):
    """The row of the same cell, compiled; stopped once after `stop_at` steps."""
    row, study = eager
    task = next((study / "data").glob("*.npz"))
    cell = Cell({**row["specification"], "compiled": True}, {"task": str(task)})
    done = []
    if stop_at is not None:
        stopped = run_cell(
            cell,
            out,
            should_stop=lambda: len(done) == stop_at,
            report=lambda step: done.append(step),
        )
        assert stopped is None and done[-1] == stop_at
    row = run_cell(cell, out)
    assert row is not None
    return row


def test_an_eager_and_a_compiled_cell_agree(eager, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as workers do
    try:
        whole = compiled_row(eager, tmp_path / "whole")
        parts = compiled_row(eager, tmp_path / "parts", stop_at=17)
    finally:
        torch.set_num_threads(threads)
    varying = ("seconds", "key", "specification")
    assert whole["specification"]["compiled"] and not eager[0]["specification"]["compiled"]
    assert {k: v for k, v in whole.items() if k != "seconds"} == {
        k: v for k, v in parts.items() if k != "seconds"
    }
    assert {k: v for k, v in whole.items() if k not in varying} == {
        k: v for k, v in eager[0].items() if k not in varying
    }  # float64: rounding moves no sample across a border in 60 steps


def choice(tmp_path, **options):
    """Whether each cell of a study would be compiled."""
    settings = {"data": "ring8", "losses": "hinge", "seeds": 1, "steps": 1, "config": SMALL}
    result = mode_collapse(out=tmp_path / "out", **{**settings, **options})
    return [row["specification"]["compiled"] for row in result.rows]


def test_short_runs_are_eager(tmp_path):
    assert choice(tmp_path) == [False]


def test_on_needs_a_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/g++")
    with pytest.raises(InputError, match=r"^compile: 'on' needs a C\+\+ compiler"):
        choice(tmp_path, compile="on")


def test_an_unknown_choice_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^compile: unknown name 'yes'"):
        choice(tmp_path, compile="yes")
