"""The files of a folder of pictures, in an order that every system agrees on."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from genbench.data.origin import Origin

# The endings pytorch-fid reads; what a file holds is found out by Pillow.
SUFFIXES = (".bmp", ".jpg", ".jpeg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_ARRAYS = (".npy", ".npz", ".safetensors")


def picture_files(origin: Origin) -> list[Path]:
    """Every picture below `origin.path`, sorted by the bytes of its relative path.

    Names that begin with a dot are skipped; linked folders are entered. Raises InputError for a
    folder without pictures, a circle of links, or a picture that is no regular file.
    """
    found: list[Path] = []
    others: list[str] = []
    with origin.reading():
        _walk(origin, origin.path, (), found, others)
    if not found:
        raise origin.fault(f"holds no picture ({', '.join(SUFFIXES)}){_advice(sorted(others))}")
    return sorted(found, key=lambda path: os.fsencode(path.relative_to(origin.path).as_posix()))


def _walk(
    origin: Origin,
    folder: Path,
    above: tuple[tuple[int, int], ...],
    found: list[Path],
    others: list[str],
) -> None:
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        raise origin.at(folder).fault("links back to a folder that it lies in")
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            if entry.is_dir():
                _walk(origin, path, (*above, identity), found, others)
            elif path.suffix.lower() not in SUFFIXES:
                others.append(entry.name)
            elif entry.is_file():
                found.append(path)
            else:
                _explain(origin.at(path))


def _explain(origin: Origin) -> None:
    """Raise for a picture's name that leads to no regular file."""
    with origin.reading():
        kind = os.stat(origin.path).st_mode  # raises for a broken link
    raise origin.fault(f"must be a regular file, got {stat.filemode(kind)}")


def _advice(others: list[str]) -> str:
    """What to name instead, when the folder holds arrays."""
    idx = [name for name in others if "ubyte" in name]
    named = [name for name in idx if "idx3" in name] or idx
    named = named or [name for name in others if name.lower().endswith(_ARRAYS)]
    if not named:
        return ""
    return f"; name one of its files: {', '.join(named[:4])}{', ...' if len(named) > 4 else ''}"
