"""Scorer processes: the scores of the process that asks, after a death too; faults in a line."""

import os
import signal

import numpy as np
import pytest
import torch

from genbench.errors import CellFailed
from genbench.studies import scorers as module
from genbench.studies.cells import Cell
from genbench.studies.execute import judge
from genbench.studies.scorers import Scorers
from genbench.studies.tasks import ArrayTask, save_task

SPEC = {"data": "cloud", "loss": "hinge", "seed": 0, "steps": 9, "standardise": True}


@pytest.fixture
def task():
    return ArrayTask("cloud", np.random.default_rng(0).normal(size=(600, 2)))


def test_scores_survive_the_death_of_a_scorer(task, tmp_path, monkeypatch):
    started = []

    def start(name, out):
        started.append(genuine(name, out))
        if len(started) == 1:
            os.kill(started[0].pid, signal.SIGKILL)
        return started[-1]

    genuine = module.start_process
    monkeypatch.setattr(module, "start_process", start)
    cell = Cell(SPEC, {"task": str(save_task(task, tmp_path / "data"))})
    samples = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    lost = Cell({**SPEC, "data": "gone"}, {"task": str(tmp_path / "gone.npz")})
    scorers = Scorers(tmp_path, 1)
    try:
        scorers.submit(cell, 3, samples)
        found = scorers.next(wait=120.0)
        assert found == (cell.key, judge(cell, task, tmp_path / "here", samples, 3))
        (frame,) = (cell.folder(tmp_path) / "frames").glob("*")
        assert frame.name == "00000003.npy" and np.load(frame).shape == (300, 2)
        scorers.submit(lost, 3, samples)
        with pytest.raises(CellFailed, match="gone hinge seed 0: FileNotFoundError"):
            scorers.next(wait=120.0)
        assert scorers.next(wait=0.0) is None
    finally:
        scorers.close()
    assert len(started) == 2 and all(process.poll() is not None for process in started)
    assert started[1].returncode == 0


def test_a_scorer_that_always_dies_is_a_failed_cell(task, tmp_path, monkeypatch):
    def start(name, out):
        process = genuine(name, out)
        os.kill(process.pid, signal.SIGKILL)
        return process

    genuine = module.start_process
    monkeypatch.setattr(module, "start_process", start)
    cell = Cell(SPEC, {"task": str(save_task(task, tmp_path / "data"))})
    scorers = Scorers(tmp_path, 1)
    try:
        scorers.submit(cell, 3, torch.zeros(300, 2))
        with pytest.raises(CellFailed, match="cloud hinge seed 0: its scorer died 3 times"):
            scorers.next(wait=120.0)
    finally:
        scorers.close()
