"""How a running study is shown: a bar on a terminal, a line a cell elsewhere, or nothing."""

from __future__ import annotations

import sys
from typing import Any, TextIO


class Progress:
    """Who is told how a study goes; this one shows nothing."""

    def start(self, cells: int, done: int, steps: int) -> None:
        """`done` of `cells` have rows already; `steps` in all cells together."""

    def step(self, key: str, step: int) -> None:
        """The cell `key` has finished `step` steps."""

    def finish(self, title: str, row: dict[str, Any]) -> None:
        """A row has been written."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def close(self) -> None:
        """The study is over, or was interrupted."""


class Lines(Progress):
    """One plain line for every finished cell."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._cells = self._done = 0

    def start(self, cells: int, done: int, steps: int) -> None:
        self._cells, self._done = cells, done
        if done:
            self.note(f"{done} of {cells} cells are done already")

    def finish(self, title: str, row: dict[str, Any]) -> None:
        self._done += 1
        self.note(f"[{self._done}/{self._cells}] {describe(title, row)}")

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Bar(Progress):
    """A progress bar over all training steps, with the finished cells above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import (
            Progress as RichProgress,
        )

        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
        )
        self._task = None
        self._steps: dict[str, int] = {}
        self._cells = self._done = 0

    def start(self, cells: int, done: int, steps: int) -> None:
        self._cells, self._done = cells, done
        self._per_cell = steps // cells
        self._task = self._bar.add_task(self._title(), total=steps)
        self._bar.start()
        self._refresh()

    def step(self, key: str, step: int) -> None:
        self._steps[key] = step
        self._refresh()

    def finish(self, title: str, row: dict[str, Any]) -> None:
        self._steps.pop(row["key"], None)
        self._done += 1
        self.note(describe(title, row))
        self._refresh()

    def note(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False)

    def close(self) -> None:
        self._bar.stop()

    def _title(self) -> str:
        return f"{self._done}/{self._cells} cells"

    def _refresh(self) -> None:
        if self._task is not None:
            finished = self._done * self._per_cell + sum(self._steps.values())
            self._bar.update(self._task, completed=finished, description=self._title())


def describe(title: str, row: dict[str, Any]) -> str:
    """One line for a finished cell."""
    if row["status"] != "ok":
        return f"{title}: {row['status']} ({row.get('reason')})"
    quality = row["high_quality"]
    shown = f", high quality {quality * 100:.1f} %" if quality is not None else ""
    return (
        f"{title}: {row['modes']} modes, {row['modes_held']} of {row.get('mode_count')} held{shown}"
        f" ({row.get('seconds', 0):.0f} s)"
    )


def for_terminal() -> Progress:
    """A bar where standard error is a terminal, lines elsewhere."""
    return Bar() if sys.stderr.isatty() else Lines()
