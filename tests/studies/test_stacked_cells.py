"""Cells that share ensembles, on the CPU: one by one's numbers, and the same rows however they ran.

Seeds of one loss, some of which diverge between two evaluations.
"""

import contextlib
import dataclasses
from typing import Any

import own_parts
import pytest
from inline_scorers import InlineScorers, task_of
from one_process import Here

from genbench.errors import CellFailed
from genbench.report.progress import Progress
from genbench.studies import driver, mode_collapse, plan, stacked_group, stacked_run
from genbench.studies.cells import Cell
from genbench.studies.execute import Run, run_cell
from genbench.studies.protocols import PROTOCOLS
from genbench.train.graphs import Untraceable

STEPS, SEEDS = 6, 3
BRIEF = dataclasses.replace(PROTOCOLS["quick"], evaluations=2)


def stack_cells(patch):
    """Ensembles of four lanes, a step at a time, saved at each of two evaluations."""
    patch.setitem(PROTOCOLS, "quick", BRIEF)
    patch.setitem(plan.STACKED, "cpu", 4)
    patch.setattr(stacked_group, "CHUNK", 1)
    patch.setattr(stacked_group, "SAVE_EVERY", 0.0)
    patch.setattr(stacked_run, "Scorers", InlineScorers)
    patch.setattr(stacked_run, "open_task", task_of)
    patch.setattr(driver, "_Pool", Here)


@pytest.fixture
def stacking(monkeypatch):
    stack_cells(monkeypatch)


def study(out, **options: Any):
    about = {"losses": own_parts.ending_loss, "critic": own_parts.LateCritic, "seeds": SEEDS}
    about |= {"data": "ring8", "config": {"width": 4, "depth": 1}, "dtype": "float64"}
    return mode_collapse(steps=STEPS, out=out, workers=1, **{**about, **options})


def stable(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The study of a run that nothing stopped."""
    with pytest.MonkeyPatch.context() as patch:
        stack_cells(patch)
        return study(tmp_path_factory.mktemp("undisturbed") / "out")


def test_rows_are_those_of_cells_that_run_one_by_one(undisturbed, tmp_path):
    assert {row["status"] for row in undisturbed.rows} == {"ok", "diverged"}
    (task,) = (undisturbed.out / "data").glob("*.npz")
    part = {name: f"own_parts:{own}" for name, own in
            (("loss", "ending_loss"), ("critic", "LateCritic"))}  # fmt: skip
    for row in stable(undisturbed.rows):
        cell = Cell(row["specification"], {"task": str(task), **part})
        alone = run_cell(cell, tmp_path)
        assert alone is not None and row["specification"]["stacked"] == 4
        varying = ("seconds", "threads", "versions")
        # float64: rounding moves no sample across a border in six steps
        assert {k: v for k, v in alone.items() if k not in varying} == {
            k: v for k, v in row.items() if k not in varying
        }
        frames = [
            sorted(path.name for path in (out / "cells" / row["key"]).glob("frames/*"))
            for out in (tmp_path, undisturbed.out)
        ]
        assert frames[0] == frames[1] and len(frames[0]) == len(row["curve"])


class Patience:
    """An interrupt that comes when it has been asked for `count` times."""

    def __init__(self, count):
        self.count = count

    def is_set(self):
        self.count -= 1
        return self.count < 0


@contextlib.contextmanager
def interrupted(monkeypatch, count):
    """Inside, a study is stopped after `count` rounds of its groups."""

    @contextlib.contextmanager
    def flag():
        yield Patience(count)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "_interrupt_flag", flag)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.usefixtures("stacking")
@pytest.mark.parametrize("count", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_an_interrupted_study_goes_on_to_the_same_rows(count, undisturbed, tmp_path, monkeypatch):
    with interrupted(monkeypatch, count):
        study(tmp_path / "out")
    saved = list(tmp_path.glob("out/cells/*/checkpoints/step-*"))
    assert saved and len(list(tmp_path.glob("out/cells/*/row.json"))) < SEEDS
    assert stable(study(tmp_path / "out").rows) == stable(undisturbed.rows)


@pytest.mark.usefixtures("stacking")
def test_cells_saved_at_different_steps_end_with_the_same_rows(undisturbed, tmp_path, monkeypatch):
    saved = []

    def save(run, folder):
        if len(saved) == 1:
            raise RuntimeError("killed")
        saved.append(folder)
        genuine(run, folder)

    genuine = Run.save
    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", save)
        with pytest.raises(CellFailed, match=r"ring8 ending_loss seed \d: RuntimeError: killed"):
            study(tmp_path / "out")
    found = [path.name for path in tmp_path.glob("out/cells/*/checkpoints/*")]
    assert found == ["step-00000003"]  # the other cells start again
    groups = []

    class Recorded(stacked_group.Group):
        def __init__(self, study, runs, scorers):
            groups.append((runs[0].trainer.step_index, len(runs)))
            super().__init__(study, runs, scorers)

    monkeypatch.setattr(stacked_run, "Group", Recorded)
    assert stable(study(tmp_path / "out").rows) == stable(undisturbed.rows)
    assert sorted(groups) == [(0, 2), (3, 1)]


class Notes(Progress):
    def __init__(self):
        self.found = []

    def note(self, text):
        self.found.append(text)


@pytest.mark.usefixtures("stacking")
def test_what_cannot_be_stacked_runs_alone_and_says_so(tmp_path, monkeypatch):
    asked, notes = [], Notes()

    def refuse(trainers, **about):
        asked.append(about)
        raise Untraceable("the step cannot be stacked: it says no")

    monkeypatch.setattr(stacked_group, "Ensemble", refuse)
    result = study(tmp_path, seeds=2, progress=notes)
    assert asked == [{"lanes": 4, "places": [0, 1], "compiled": False}]
    line = "ring8 ending_loss: one cell at a time, for the step cannot be stacked: it says no"
    assert line in notes.found
    assert len(result.rows) == 2
    assert not any("stacked" in row["specification"] for row in result.rows)
    again = study(tmp_path, seeds=2)
    assert again.rows == result.rows  # they have rows under keys of their own


def test_seeds_keep_their_lanes_and_fill_further_ensembles():
    cells = [
        Cell({"loss": loss, "stacked": 4, "seed": seed}, {})
        for seed in (9, 1, 0, 5, 4)
        for loss in ("hinge", "minimax")
    ]
    groups = [[(c.spec["loss"], c.spec["seed"]) for c in cs] for cs in stacked_run.alike(cells)]
    assert sorted(groups) == [
        [("hinge", 1), ("hinge", 0)],
        [("hinge", 5), ("hinge", 4)],
        [("hinge", 9)],
        [("minimax", 1), ("minimax", 0)],
        [("minimax", 5), ("minimax", 4)],
        [("minimax", 9)],
    ]


def test_only_a_gpus_cells_share_ensembles_by_default():
    assert plan.STACKED == {"cuda": 16}


@pytest.mark.cuda
def test_a_gpu_gives_the_same_rows_twice_and_after_an_interrupt(tmp_path, monkeypatch):
    monkeypatch.setitem(PROTOCOLS, "quick", BRIEF)
    monkeypatch.setattr(stacked_run, "Scorers", InlineScorers)
    about: dict[str, Any] = {
        "losses": ["non_saturating", "wasserstein_gp"],
        "critic": None,
        "seeds": 2,
        "device": "cuda",
        "dtype": "float32",
        "config": {},
    }
    rows = stable(study(tmp_path / "calm", **about).rows)
    assert [row["specification"]["stacked"] for row in rows] == [16] * 4
    assert stable(study(tmp_path / "again", **about).rows) == rows
    with interrupted(monkeypatch, 5):
        study(tmp_path / "stopped", **about)
    assert stable(study(tmp_path / "stopped", **about).rows) == rows
