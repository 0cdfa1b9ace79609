"""A scorer process: keeps and scores the samples of evaluations, while a GPU goes on training.

Reads a line of JSON and as many bytes as it says, answers with a line of JSON. End of input means
that the driver is gone or done.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genbench.studies.cells import Cell
from genbench.studies.execute import judge, open_task
from genbench.studies.faults import told
from genbench.studies.processes import GRACE
from genbench.studies.tasks import Task

Request = tuple[dict[str, Any], bytes]


def main() -> None:
    """Serve evaluations from standard input until it ends."""
    out = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what is printed must not mix with the answers
    torch.set_num_threads(1)
    requests: queue.Queue[Request | None] = queue.Queue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    while (request := requests.get()) is not None:
        print(json.dumps(_serve(*request, out)), file=answers)


def _listen(requests: queue.Queue[Request | None]) -> None:
    while line := sys.stdin.buffer.readline():
        header = json.loads(line)
        content = sys.stdin.buffer.read(header["bytes"])
        if len(content) == header["bytes"]:  # else the driver died while it wrote
            requests.put((header, content))
    requests.put(None)
    time.sleep(GRACE)
    os._exit(1)


def _serve(header: dict[str, Any], content: bytes, out: Path) -> dict[str, Any]:
    cell = Cell(header["spec"], header["parts"])
    array = np.frombuffer(bytearray(content), header["dtype"])  # torch wants to own it
    samples = torch.from_numpy(array.reshape(header["shape"]))
    try:
        task = _task(cell.parts["task"], cell.spec["data"])
        scores = judge(cell, task, cell.folder(out), samples, header["step"])
    except Exception as error:
        return told(error, cell, out)
    return {"event": "scored", "key": cell.key, "scores": scores}


@cache
def _task(path: str, name: str) -> Task:
    """Kept: what judges samples is made at the first evaluation."""
    return open_task(Cell({"data": name}, {"task": path}))


if __name__ == "__main__":
    main()
