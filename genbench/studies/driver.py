"""Runs a study's cells over worker processes of one thread each; the truth stays on disk."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from genbench.errors import CellFailed
from genbench.report.progress import Progress
from genbench.studies.cells import Cell, read_row
from genbench.studies.execute import run_cell
from genbench.studies.faults import disk_fault, explain, heard
from genbench.studies.processes import (
    GRACE,
    TRIES,
    close_input,
    log_path,
    start_process,
    wait_or_kill,
)
from genbench.studies.rows import Rows
from genbench.studies.stacked_run import run_stacked


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    cell: Cell


@dataclass
class Driver:
    """One run over `cells`; `own` holds the user's functions that no other process can import."""

    out: Path
    cells: Sequence[Cell]
    progress: Progress
    own: dict[str, dict[str, Any]] = field(default_factory=dict)  # cell key -> part -> function
    _rows: Rows = field(init=False, repr=False)

    def run(self, workers: int) -> None:
        """Run what has no row yet. KeyboardInterrupt leaves checkpoints behind; CellFailed, and
        InputError for a disk that cannot be written, stop the rest."""
        try:
            self._run(workers)
        except OSError as error:
            if (fault := disk_fault(error, self.out)) is None:
                raise
            raise fault from error

    def _run(self, workers: int) -> None:
        self._rows = Rows(self.out)
        pending = [cell for cell in self.cells if cell.key not in self._rows]
        steps = sum(cell.spec["steps"] for cell in self.cells)
        self.progress.start(len(self.cells), len(self.cells) - len(pending), steps)
        try:
            pending = self._run_stacked(pending, workers)
            elsewhere = [cell for cell in pending if cell.key not in self.own]
            if elsewhere:
                _Pool(self, elsewhere, min(workers, len(elsewhere))).run()
            self._run_here([cell for cell in pending if cell.key in self.own])
        finally:
            self.progress.close()

    def finished(self, cell: Cell, row: dict[str, Any]) -> None:
        """A row has been written."""
        self._rows.add(cell.key)
        self.progress.finish(cell.title, row)

    def _run_stacked(self, cells: Sequence[Cell], workers: int) -> list[Cell]:
        """Runs those that share ensembles; the cells that are left to run alone."""
        left = [cell for cell in cells if "stacked" not in cell.spec]
        stacked = [cell for cell in cells if "stacked" in cell.spec]
        if stacked:
            with _one_thread(), _interrupt_flag() as interrupted:
                alone = run_stacked(self, stacked, workers, interrupted.is_set)
            left += [cell for cell in alone if cell.key not in self._rows]
        return left

    def _run_here(self, cells: Sequence[Cell]) -> None:
        if not cells:
            return
        self.progress.note(
            "functions defined in __main__ or inside others run in this process, one cell at a "
            "time; put them into a module to use several workers"
        )
        with _one_thread(), _interrupt_flag() as interrupted:
            for cell in cells:
                row = self._run_one(cell, interrupted.is_set)
                if row is None:
                    raise KeyboardInterrupt
                self.finished(cell, row)

    def _run_one(self, cell: Cell, should_stop: Callable[[], bool]) -> dict[str, Any] | None:
        try:
            return run_cell(
                cell,
                self.out,
                own=self.own[cell.key],
                should_stop=should_stop,
                report=lambda step: self.progress.step(cell.key, step),
            )
        except Exception as error:
            raise explain(error, cell, self.out) from error


class _Pool:
    """Worker processes, each given one cell at a time."""

    def __init__(self, driver: Driver, cells: Sequence[Cell], size: int) -> None:
        self.driver = driver
        self.waiting = list(cells)
        self.size = size
        self.deaths: dict[str, int] = {}
        self.workers: dict[int, _Worker] = {}
        self.answers: queue.Queue[tuple[int, bytes | None]] = queue.Queue()

    def run(self) -> None:
        try:
            for _ in range(self.size):
                self._start()
            while self.workers:
                self._handle(*self.answers.get())
        except BaseException:
            self._stop()
            raise

    def _start(self) -> None:
        """A new process for the next cell that waits."""
        process = start_process("genbench.studies.worker", self.driver.out)
        self.workers[process.pid] = _Worker(process, self.waiting[0])
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        self._give(process.pid)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.answers.put((process.pid, line))
        self.answers.put((process.pid, None))

    def _give(self, pid: int) -> None:
        """The next cell for an idle worker, or the end of its input."""
        worker = self.workers[pid]
        assert worker.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died: _read reports the end
            if not self.waiting:
                worker.process.stdin.close()
                return
            worker.cell = self.waiting.pop(0)
            message = {"spec": worker.cell.spec, "parts": worker.cell.parts}
            worker.process.stdin.write(json.dumps(message).encode() + b"\n")
            worker.process.stdin.flush()

    def _handle(self, pid: int, line: bytes | None) -> None:
        worker = self.workers[pid]
        if line is None:
            self._ended(self.workers.pop(pid))
            return
        answer = json.loads(line)
        if answer["event"] == "step":
            self.driver.progress.step(answer["key"], answer["step"])
        elif answer["event"] == "done":
            self.driver.finished(worker.cell, answer["row"])
            self._give(pid)
        else:
            raise heard(answer)

    def _ended(self, worker: _Worker) -> None:
        """A worker is gone: normal when nothing waits, else its cell goes to a new one."""
        code = worker.process.wait()
        if read_row(worker.cell.folder(self.driver.out)) is None:
            title = worker.cell.title
            deaths = self.deaths[worker.cell.key] = self.deaths.get(worker.cell.key, 0) + 1
            if deaths >= TRIES:
                log = log_path(self.driver.out)
                raise CellFailed(
                    f"{title}: its worker died {deaths} times, code {code} (see {log})"
                )
            self.driver.progress.note(f"{title}: its worker died with code {code}; starting again")
            self.waiting.insert(0, worker.cell)
        if self.waiting:
            self._start()

    def _stop(self) -> None:
        """Ask every worker for a checkpoint; end those that do not answer in time."""
        for worker in self.workers.values():
            close_input(worker.process)
        for worker in self.workers.values():
            wait_or_kill(worker.process, GRACE)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """As workers have it: sums do not depend on the machine's cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _interrupt_flag() -> Iterator[threading.Event]:
    """Inside, Ctrl-C sets a flag instead of breaking into a training step."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag  # only the main thread may set handlers; there Ctrl-C does not arrive either
        return
    before = signal.signal(signal.SIGINT, lambda *_: flag.set())
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)
