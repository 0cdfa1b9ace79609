"""A worker process: reads cells as JSON lines, runs them on one thread, answers with JSON lines.

End of input means that the driver is gone or wants to stop: the worker saves a checkpoint and ends.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

from genbench import files
from genbench.studies.cells import Cell
from genbench.studies.execute import run_cell
from genbench.studies.faults import told
from genbench.studies.processes import GRACE

REPORT_EVERY = 0.25  # seconds
CLAIM_WAIT = 10.0  # seconds; a worker of a driver that was killed ends within GRACE


def main() -> None:
    """Serve cells from standard input until it ends."""
    out = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a user's function prints must not mix with the answers
    torch.set_num_threads(1)
    stopping = threading.Event()
    tasks: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks, stopping), daemon=True).start()
    while (line := tasks.get()) is not None:
        answer = _serve(Cell(**json.loads(line)), out, stopping, answers)
        print(json.dumps(answer), file=answers)


def _listen(tasks: queue.Queue[str | None], stopping: threading.Event) -> None:
    for line in sys.stdin:
        tasks.put(line)
    stopping.set()
    tasks.put(None)
    time.sleep(GRACE)
    os._exit(1)


def _serve(cell: Cell, out: Path, stopping: threading.Event, answers: Any) -> dict[str, Any]:
    last = 0.0

    def report(step: int) -> None:
        nonlocal last
        if time.monotonic() - last > REPORT_EVERY:
            last = time.monotonic()
            try:
                print(json.dumps({"event": "step", "key": cell.key, "step": step}), file=answers)
            except BrokenPipeError:  # the driver is gone: save a checkpoint and end
                stopping.set()

    try:
        with files.claim(cell.folder(out) / "lock", wait=CLAIM_WAIT) as held:
            if not held:
                error = f"{cell.title}: claimed by another process"
                return {"event": "failed", "key": cell.key, "error": error}
            row = run_cell(cell, out, should_stop=stopping.is_set, report=report)
    except Exception as error:
        return told(error, cell, out)
    if row is None:
        return {"event": "stopped", "key": cell.key}
    return {"event": "done", "key": cell.key, "row": row}


if __name__ == "__main__":
    main()
