"""What stops a cell, in the words of the user: a disk to mend, or a function that cannot run."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path

from genbench import files
from genbench.errors import CellFailed, InputError
from genbench.studies.cells import Cell

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def explain(error: Exception, cell: Cell, out: Path) -> CellFailed | InputError:
    """The error to show for one that was raised while `cell` ran; call it where that is handled.

    InputError for a disk that is full or may not be written; else CellFailed, with the traceback in
    the cell's error.txt.
    """
    if isinstance(error, OSError) and error.errno in _DISK:
        return InputError(
            f"out: cannot write '{out}' ({os.strerror(error.errno)}); mend that, then the same "
            "command goes on, or choose another --out"
        )
    path = cell.folder(out) / "error.txt"
    files.write_text(path, traceback.format_exc())
    return CellFailed(f"{cell.title}: {type(error).__name__}: {error} (see {path})")
