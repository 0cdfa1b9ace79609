"""Tasks in files, from which workers rebuild them."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from genbench import files
from genbench.studies.tasks.arrays import ArrayTask
from genbench.studies.tasks.base import Task
from genbench.studies.tasks.mixtures import MixtureTask
from genbench.studies.tasks.stacked import StackedTask

# What NumPy and the tasks raise for a file that is not whole or not theirs.
_DAMAGE = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError),
)


def save_task(task: Task, folder: Path) -> Path:
    """Write the task's arrays as `folder/DIGEST.npz`, for workers and for pictures.

    A file that is there and whole stays; a truncated or edited one is written again.
    """
    path = folder / f"{task.digest[:16]}.npz"
    if not _holds(path, task):
        content = io.BytesIO()
        np.savez(content, **task.arrays())  # type: ignore[arg-type]
        files.write_bytes(path, content.getvalue())
    return path


def load_task(path: Path, name: str) -> Task:
    """The task that `save_task` wrote; raises OSError, ValueError or KeyError for another file."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    if "images" in arrays:
        return StackedTask.from_arrays(name, arrays)
    return (ArrayTask if "x" in arrays else MixtureTask).from_arrays(name, arrays)


def _holds(path: Path, task: Task) -> bool:
    """Whether the file is there and whole."""
    try:
        return load_task(path, task.name).digest == task.digest
    except _DAMAGE:
        return False
