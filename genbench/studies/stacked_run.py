"""Cells that differ in seeds alone train as one ensemble, several ensembles side by side.

For a GPU; the CPU runs the same code in tests. Training stops nowhere but for a moment at each
evaluation: samples go to scorer processes, and rows are written when their scores have come.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from genbench.ops.backend import backend
from genbench.studies.cells import Cell
from genbench.studies.execute import Run, open_task, prepare, tidied
from genbench.studies.faults import explain
from genbench.studies.scorers import Scorers
from genbench.studies.stacked_group import Group, Study
from genbench.studies.tasks import Task
from genbench.train.graphs import Untraceable

TOGETHER = 8  # groups that train at once: more would not fit into every GPU's memory
WAIT = 0.1  # seconds for a score when there is nothing else to do


def run_stacked(
    study: Study, cells: Sequence[Cell], workers: int, should_stop: Callable[[], bool]
) -> list[Cell]:
    """Runs `cells`, whose specification says of how many lanes ("stacked") their ensembles are.

    workers: scorer processes. Returns, as cells of their own, those whose steps cannot be stacked.
    Raises KeyboardInterrupt, with checkpoints saved, when `should_stop` asks for it.
    """
    scorers = Scorers(study.out, min(workers, len(cells)))
    try:
        with backend(cells[0].spec["backend"]), _reproducible():
            return _Schedule(study, cells, scorers, should_stop).run()
    finally:
        scorers.close()


@contextmanager
def _reproducible() -> Iterator[None]:
    """Inside, convolutions on a GPU are those that give the same bits every time."""
    settings = torch.backends.cudnn
    before = settings.deterministic, settings.benchmark
    settings.deterministic, settings.benchmark = True, False
    try:
        yield
    finally:
        settings.deterministic, settings.benchmark = before


class _Schedule:
    """Which groups train, and what becomes of those that end or cannot be."""

    def __init__(
        self,
        study: Study,
        cells: Sequence[Cell],
        scorers: Scorers,
        should_stop: Callable[[], bool],
    ) -> None:
        self.study, self.scorers, self.should_stop = study, scorers, should_stop
        self.waiting = alike(cells)
        self.groups: list[Group] = []
        self.alone: list[Cell] = []
        self.tasks: dict[str, Task] = {}

    def run(self) -> list[Cell]:
        while self.waiting or self.groups:
            while self.waiting and len(self.groups) < TOGETHER:
                self._open(self.waiting.pop(0))
            moved = [self._advance(group) for group in self.groups]
            self._collect(wait=0.0 if any(moved) else WAIT)
            if self.should_stop():
                self._stop()
            self.groups = [group for group in self.groups if group.runs]
        return self.alone

    def _open(self, cells: Sequence[Cell]) -> None:
        """Groups of these cells, by the step to which earlier tries have brought them."""
        by_step: dict[int, list[Run]] = {}
        for run in map(self._prepared, cells):
            by_step.setdefault(run.trainer.step_index, []).append(run)
        for runs in by_step.values():
            try:
                self.groups.append(Group(self.study, runs, self.scorers))
            except Untraceable as reason:
                self._set_aside([run.cell for run in runs], str(reason))
            except Exception as error:
                raise explain(error, runs[0].cell, self.study.out) from error

    def _advance(self, group: Group) -> bool:
        cell = next(iter(group.runs.values())).cell
        try:
            return group.advance()
        except Exception as error:
            raise explain(error, cell, self.study.out) from error

    def _prepared(self, cell: Cell) -> Run:
        out, path = self.study.out, cell.parts["task"]
        folder = tidied(cell, out)
        try:
            if path not in self.tasks:
                self.tasks[path] = open_task(cell)
            run = prepare(cell, self.study.own.get(cell.key, {}), self.tasks[path])
        except Exception as error:
            raise explain(error, cell, out) from error
        run.restore(folder)
        return run

    def _set_aside(self, cells: Sequence[Cell], reason: str) -> None:
        spec = cells[0].spec
        self.study.progress.note(f"{spec['data']} {spec['loss']}: one cell at a time, for {reason}")
        for cell in cells:
            spec = {name: value for name, value in cell.spec.items() if name != "stacked"}
            alone = Cell(spec, cell.parts)
            self.alone.append(alone)
            if cell.key in self.study.own:
                self.study.own[alone.key] = self.study.own[cell.key]

    def _collect(self, wait: float) -> None:
        """Hands out the scores that have come; waits for the first at most `wait` seconds."""
        while (found := self.scorers.next(wait)) is not None:
            key, scores = found
            next(group for group in self.groups if key in group.runs).scored(key, scores)
            wait = 0.0

    def _stop(self) -> None:
        """Lets evaluations that have begun end, and saves what is not done."""
        while any(group.outstanding for group in self.groups):
            self._collect(WAIT)
        for group in self.groups:
            group.save()
        raise KeyboardInterrupt


def alike(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells that may share an ensemble: they differ in seeds alone, each of which has a lane of its
    own, the same whoever has the others."""
    found: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        rest = {name: value for name, value in cell.spec.items() if name != "seed"}
        block = cell.spec["seed"] // cell.spec["stacked"]
        found.setdefault((json.dumps(rest, sort_keys=True), block), []).append(cell)
    return list(found.values())
