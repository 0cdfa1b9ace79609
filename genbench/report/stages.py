"""How a long evaluation is shown: bars on a terminal, plain lines at intervals elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

EVERY_S = 10.0  # between two plain lines of one stage


class Stages:
    """Who is told how an evaluation goes; this one shows nothing."""

    def advance(self, stage: str, done: int, of: int) -> None:
        """`done` of `of` parts of `stage` are finished."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def close(self) -> None:
        """The evaluation is over, or was interrupted."""


class StageLines(Stages):
    """A plain line at most every ten seconds of a stage, and none for one that is quicker."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._first: dict[str, tuple[float, int]] = {}  # when a stage began, and at how much
        self._told: dict[str, float] = {}

    def advance(self, stage: str, done: int, of: int) -> None:
        now = time.monotonic()
        begun, before = self._first.setdefault(stage, (now, done))
        if now - self._told.setdefault(stage, begun) < EVERY_S:
            return
        self._told[stage] = now
        left = (now - begun) / max(done - before, 1) * (of - done)
        self.note(f"{stage}: {done} of {of}, about {_duration(left)} left")

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class StageBar(Stages):
    """One bar a stage, with notes above."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._tasks = {}

    def advance(self, stage: str, done: int, of: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=of)
            self._bar.start()
        self._bar.update(self._tasks[stage], completed=done, total=of)

    def note(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        self._bar.stop()


def stages_for_terminal() -> Stages:
    """Bars where standard error is a terminal, lines elsewhere."""
    return StageBar() if sys.stderr.isatty() else StageLines()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
