"""The driver's side of the scorer processes: evaluations go in, scores come out in any order."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

from torch import Tensor

from genbench.studies.cells import Cell
from genbench.studies.faults import heard
from genbench.studies.processes import (
    GRACE,
    TRIES,
    close_input,
    log_path,
    start_process,
    wait_or_kill,
)

Request = tuple[Cell, int, Tensor]


class Scorers:
    """`size` processes, each fed by a thread of its own: nobody waits while one starts or dies."""

    def __init__(self, out: Path, size: int) -> None:
        self._out = out
        self._requests: queue.Queue[Request | None] = queue.Queue()
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._threads = [threading.Thread(target=self._feed, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def submit(self, cell: Cell, step: int, samples: Tensor) -> None:
        """Have samples (n, *data_shape) of a cell kept and scored."""
        self._requests.put((cell, step, samples))

    def next(self, wait: float) -> tuple[str, dict[str, Any]] | None:
        """Key and scores of an evaluation; None if none comes within `wait` seconds.

        Raises CellFailed, or InputError for a disk that cannot be written.
        """
        try:
            answer = self._answers.get(timeout=wait) if wait else self._answers.get_nowait()
        except queue.Empty:
            return None
        if answer["event"] != "scored":
            raise heard(answer)
        return answer["key"], answer["scores"]

    def close(self) -> None:
        """Ends the processes; what was not begun is dropped."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._requests.get_nowait()
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join()

    def _feed(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        try:
            process = start_process("genbench.studies.scorer", self._out)
            while (request := self._requests.get()) is not None:
                answer, tries = _ask(process, *request), 1
                while answer is None and tries < TRIES:
                    process.wait()
                    process = start_process("genbench.studies.scorer", self._out)
                    answer, tries = _ask(process, *request), tries + 1
                self._answers.put(answer or self._death(request[0]))
        except Exception as error:  # the driver must hear of it, or it waits for ever
            self._answers.put({"event": "failed", "error": f"scorer: {error}"})
        finally:
            if process is not None:
                close_input(process)
                wait_or_kill(process, 2 * GRACE)  # it ends itself after GRACE

    def _death(self, cell: Cell) -> dict[str, Any]:
        log = log_path(self._out)
        error = f"{cell.title}: its scorer died {TRIES} times (see {log})"
        return {"event": "failed", "error": error}


def _ask(
    process: subprocess.Popen[bytes], cell: Cell, step: int, samples: Tensor
) -> dict[str, Any] | None:
    """The answer of a process; None if it died."""
    assert process.stdin is not None and process.stdout is not None
    array = samples.contiguous().numpy()
    header = {"spec": cell.spec, "parts": cell.parts, "step": step, "bytes": array.nbytes}
    header |= {"shape": array.shape, "dtype": str(array.dtype)}
    try:
        process.stdin.write(json.dumps(header).encode() + b"\n")
        process.stdin.write(array.data.cast("B") if array.size else b"")
        process.stdin.flush()
    except BrokenPipeError:
        return None
    line = process.stdout.readline()
    return json.loads(line) if line.endswith(b"\n") else None
