"""The log of a run: JSON lines that a resumed run goes on with, and TensorBoard where wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench import files
from genbench.errors import InputError

NAME = "log.jsonl"


class Log:
    """Appends {"step": s, "term": value, ...}; holds nothing of the clock, so that a resumed run
    leaves the same file.

    step: where the run goes on; what was logged after it is dropped. board: a folder for
    TensorBoard, or None.
    """

    def __init__(self, folder: Path, *, step: int, board: Path | None = None) -> None:
        self._path = folder / NAME
        kept = [line for line in read_log(self._path) if line["step"] <= step]
        files.write_text(self._path, "".join(f"{json.dumps(line)}\n" for line in kept))
        self._file = self._path.open("a", encoding="utf-8")
        self._board = None if board is None else _writer(board, step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One line, which is in the file when the call returns."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Nothing follows."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log, in their order; one that a kill cut off is left out."""
    found = []
    if path.exists():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and isinstance(line.get("step"), int):
                found.append(line)
    return found


def _writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            "tensorboard: is not installed; pip install 'genbench[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder), purge_step=step + 1)
