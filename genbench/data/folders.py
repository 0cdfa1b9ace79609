"""The files of a folder of pictures, in an order that every system agrees on."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from genbench.data.origin import Origin

# The endings pytorch-fid reads; what a file holds is found out by Pillow.
SUFFIXES = (".bmp", ".jpg", ".jpeg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_ARRAYS = (".npy", ".npz", ".safetensors")


def picture_files(origin: Origin) -> list[Path]:
    """Every picture below `origin.path`, sorted by the bytes of its relative path.

    Names that begin with a dot are skipped; linked folders are entered. Raises InputError for a
    folder without pictures, one that links lead to twice, or a picture that is no regular file.
    """
    found: list[Path] = []
    others: list[Path] = []
    with origin.reading():
        for path in _files(origin):
            (found if path.suffix.lower() in SUFFIXES else others).append(path)
    if not found:
        raise origin.fault(f"holds no picture ({', '.join(SUFFIXES)}){_advice(others)}")
    return sorted(found, key=lambda path: os.fsencode(path.relative_to(origin.path).as_posix()))


def _files(origin: Origin) -> Iterator[Path]:
    """Every file below a folder, in no order."""
    folders, entered = [origin.path], set()
    while folders:
        folder = folders.pop()
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:  # a circle, or a maze of 2^n ways
            raise origin.at(folder).fault("is a folder that links lead to a second time")
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                path = folder / entry.name
                if entry.name.startswith("."):
                    continue
                with origin.at(path).reading():  # a link that leads to itself raises here
                    is_folder = entry.is_dir()
                if is_folder:
                    folders.append(path)
                elif entry.is_file() or path.suffix.lower() not in SUFFIXES:
                    yield path
                else:
                    _explain(origin.at(path))


def _explain(origin: Origin) -> None:
    """Raise for a picture's name that leads to no regular file."""
    with origin.reading():
        kind = os.stat(origin.path).st_mode  # raises for a broken link
    raise origin.fault(f"must be a regular file, got {stat.filemode(kind)}")


def _advice(others: list[Path]) -> str:
    """What to name instead, when the folder holds arrays."""
    names = sorted(path.name for path in others)
    idx = [name for name in names if "ubyte" in name]
    named = [name for name in idx if "idx3" in name] or idx
    named = named or [name for name in names if name.lower().endswith(_ARRAYS)]
    if not named:
        return ""
    return f"; name one of its files: {', '.join(named[:4])}{', ...' if len(named) > 4 else ''}"
