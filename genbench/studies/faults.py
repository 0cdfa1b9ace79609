"""What stops a cell, in the words of the user: a disk to mend, or a function that cannot run."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench import files
from genbench.errors import CellFailed, InputError
from genbench.studies.cells import Cell

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def explain(error: Exception, cell: Cell, out: Path) -> CellFailed | InputError:
    """The error to show for one that was raised while `cell` ran; call it where that is handled.

    InputError for a disk that is full or may not be written; else CellFailed, with the traceback in
    the cell's error.txt.
    """
    if (fault := disk_fault(error, out)) is not None:
        return fault
    path = cell.folder(out) / "error.txt"
    try:
        files.write_text(path, traceback.format_exc())
    except OSError as second:
        return disk_fault(second, out) or CellFailed(f"{cell.title}: {_text(error)}")
    return CellFailed(f"{cell.title}: {_text(error)} (see {path})")


def told(error: Exception, cell: Cell, out: Path) -> dict[str, Any]:
    """`explain`'s error as the answer of a process to its driver."""
    fault = explain(error, cell, out)
    kind = "disk" if isinstance(fault, InputError) else "failed"
    return {"event": kind, "key": cell.key, "error": str(fault)}


def heard(answer: Mapping[str, Any]) -> CellFailed | InputError:
    """The error of such an answer."""
    return (InputError if answer["event"] == "disk" else CellFailed)(answer["error"])


def disk_fault(error: Exception, out: Path) -> InputError | None:
    """The line for a disk that is full or may not be written; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _DISK:
        return None
    return InputError(
        f"out: cannot write '{out}' ({os.strerror(error.errno)}); mend that, then the same "
        "command goes on, or choose another --out"
    )


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
