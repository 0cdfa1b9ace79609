"""Cells in the lanes of one ensemble, from evaluation to evaluation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from genbench.report.progress import Progress
from genbench.studies.cells import Cell
from genbench.studies.execute import Run, draw, finish
from genbench.studies.scorers import Scorers
from genbench.train.ensemble import CHUNK, Ensemble
from genbench.train.loop import Diverged

SAVE_EVERY = 20.0  # seconds: a checkpoint of every evaluation would take longer than training


class Study(Protocol):
    """What runs of several cells need of the driver."""

    out: Path
    progress: Progress
    own: dict[str, dict[str, Any]]

    def finished(self, cell: Cell, row: dict[str, Any]) -> None:
        """A row has been written."""
        ...


class Group:
    """runs: those that have no row yet, by key, all at the same step; outstanding: keys of those
    whose samples are being scored. Raises Untraceable where their steps cannot be stacked."""

    def __init__(self, study: Study, runs: Sequence[Run], scorers: Scorers) -> None:
        spec = runs[0].cell.spec
        lanes = spec["stacked"]
        self._study, self._scorers, self._steps = study, scorers, spec["steps"]
        self._order = list(runs)
        self._ensemble = Ensemble(
            [run.trainer for run in runs],
            lanes=lanes,
            places=[run.cell.spec["seed"] % lanes for run in runs],
            compiled=spec["compiled"],
        )
        self.runs = {run.cell.key: run for run in runs}
        self.outstanding: set[str] = set()
        self._step = runs[0].trainer.step_index
        self._marks = sorted({mark for run in runs for mark in run.marks()})
        self._started = self._saved = time.monotonic()
        self._earlier = {run.cell.key: run.seconds for run in runs}

    def advance(self) -> bool:
        """Some steps on, or an evaluation, unless it waits for the scores of the one before."""
        if not self._marks or (self._step == self._marks[0] and self.outstanding):
            return False
        if self._step == self._marks[0]:
            self._evaluate(self._marks.pop(0))
            return True
        count = min(CHUNK, self._marks[0] - self._step)
        self._ensemble.run(count)
        self._step += count
        for key in self.runs:
            self._study.progress.step(key, self._step)
        return True

    def scored(self, key: str, scores: dict[str, Any]) -> None:
        """The scores of a cell's last samples have come; after the last step its row is written."""
        run = self.runs[key]
        self.outstanding.remove(key)
        run.history.append(scores)
        if scores["step"] == self._steps:
            self._save(run)
            self._finish(run, None)

    def save(self) -> None:
        """Checkpoints of all that is not done; none of their samples may be outstanding."""
        self._settle()
        self._save_all()

    def _evaluate(self, mark: int) -> None:
        self._settle()
        if mark < self._steps and time.monotonic() - self._saved >= SAVE_EVERY:
            self._save_all()
        for key, run in list(self.runs.items()):
            if mark not in run.marks():  # a checkpoint of an earlier try was behind it
                continue
            try:
                samples = draw(run)
            except Diverged as fault:
                self._finish(run, fault)
                continue
            self.outstanding.add(key)
            self._scorers.submit(run.cell, mark, samples)

    def _settle(self) -> None:
        """Brings the runs to where their lanes are; those that diverged end here."""
        for run, fault in zip(self._order, self._ensemble.settle(), strict=True):
            if fault is not None and run.cell.key in self.runs:
                self._finish(run, fault)

    def _save_all(self) -> None:
        for run in self.runs.values():
            self._save(run)
        self._saved = time.monotonic()

    def _save(self, run: Run) -> None:
        self._count_seconds(run)
        run.save(run.cell.folder(self._study.out))

    def _finish(self, run: Run, fault: Diverged | None) -> None:
        self._count_seconds(run)
        row = finish(run, run.cell.folder(self._study.out), fault)
        del self.runs[run.cell.key]
        self._study.finished(run.cell, row)

    def _count_seconds(self, run: Run) -> None:
        run.seconds = self._earlier[run.cell.key] + time.monotonic() - self._started
