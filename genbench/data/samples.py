"""What a path holds, opened lazily: pictures as 8 bit, features, or moments as pytorch-fid writes.

A folder is pictures; a 2-D array is features (N, d); a 3-D or 4-D array is pictures.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from genbench.data.archives import EXTRAS, MOMENTS, open_npz, open_safetensors
from genbench.data.arrays import open_npy
from genbench.data.features import FeatureRows, MomentsPair
from genbench.data.folders import SUFFIXES
from genbench.data.idx import check_pictures, is_idx, open_idx
from genbench.data.images import FolderPictures, Resized, check_side
from genbench.data.origin import Origin
from genbench.data.pixels import ArrayPictures, check_range
from genbench.data.rows import Rows
from genbench.errors import InputError

_FORMATS = "a folder of pictures, .npy, .npz, .safetensors or IDX (also .gz)"
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")


class Source(Protocol):
    """What `Samples` reads from."""

    shape: tuple[int, ...]  # of one sample
    conventions: dict[str, str]
    tag: str  # everything beside the content that changes what `read` returns

    def __len__(self) -> int: ...
    def read(self, start: int, stop: int) -> np.ndarray: ...
    def content(self, start: int, stop: int) -> Iterator[bytes | memoryview]: ...


class Samples:
    """The samples of one path; reading a part never reads the whole where the format allows.

    kind: "images", "features" or "moments" (`extra("mu")`, `extra("sigma")`; no rows).
    shape: (C, H, W) with 1 or 3 channels, or (d,). conventions: how values were read, for a row.
    """

    def __init__(
        self, origin: Origin, kind: str, source: Source, extras: dict[str, Rows] | None = None
    ) -> None:
        self.kind = kind
        self.path = origin.path
        self.shape = tuple(source.shape)
        self.conventions = source.conventions
        self._origin = origin
        self._source = source
        self._extras = extras or {}

    def __len__(self) -> int:
        return len(self._source)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples [start, stop): uint8 (n, C, H, W), or float16, 32 or 64 (n, d).

        Raises InputError for damage found on the way; ValueError for rows that are not there.
        """
        self._check_bounds(start, stop)
        return self._source.read(start, stop)

    def digest(self, start: int, stop: int) -> str:
        """Hexadecimal SHA-256 of samples [start, stop) and of how they are read.

        Of the stored values, whatever their byte or axis order in the file; for folders, of the
        files' bytes in their order, whatever their names. Reads the content anew: a file that
        changed and kept its size and time is noticed.
        """
        self._check_bounds(start, stop)
        sha = hashlib.sha256(f"{self.kind} {self.shape} {self._source.tag}\n".encode())
        for content in self._source.content(start, stop):
            sha.update(content)
        return sha.hexdigest()

    def extra(self, name: str) -> np.ndarray | None:
        """A further array of an .npz ("labels", "log_prob", "probabilities"), or None."""
        rows = self._extras.get(name)
        return None if rows is None else rows.whole()

    def _check_bounds(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= len(self):
            raise InputError(
                f"start and stop must lie in 0 <= start <= stop <= {len(self)}, "
                f"got {start} and {stop}"
            )


def open_samples(
    path: str | os.PathLike[str],
    *,
    argument: str = "real",
    value_range: str = "auto",
    size: int | None = None,
) -> Samples:
    """Open `path`: a folder of pictures, or an array in .npy, .npz, .safetensors or IDX.

    argument: the name that error lines begin with. value_range: what floating pictures hold:
    "unit" [0, 1], "symmetric" [-1, 1], or "auto": a value below 0 anywhere means symmetric.
    size: resize every picture to size x size. Raises InputError, one line, for anything else.
    """
    if not os.fspath(path):  # Path("") is the current folder
        raise InputError(f"{argument}: must be a path, got an empty one")
    origin = Origin(argument, Path(path))
    check_range(value_range, argument=argument)
    check_side(size, argument=argument)
    if "\0" in str(path):
        raise origin.fault("is no path: it holds a zero byte")
    with origin.reading():
        folder = origin.path.is_dir()
        if not folder:
            origin.path.stat()  # a missing path raises here
    if folder:
        return Samples(origin, "images", FolderPictures(origin, size=size))
    name, arrays = _open(origin)
    if name in MOMENTS:
        return Samples(origin, "moments", MomentsPair(arrays["mu"], arrays["sigma"]), arrays)
    _check_lengths(origin, name, arrays)
    source = _classify(origin, arrays[name], value_range=value_range, size=size)
    if name:
        source.conventions["array"] = name
    extras = {key: rows for key, rows in arrays.items() if key in EXTRAS}
    kind = "features" if len(source.shape) == 1 else "images"
    return Samples(origin, kind, source, extras)


def _open(origin: Origin) -> tuple[str, dict[str, Rows]]:
    """The name of the array of samples ("" where there is but one), and every array by name."""
    suffix = origin.path.suffix.lower()
    if suffix == ".npz":
        return open_npz(origin)
    if suffix == ".safetensors":
        return open_safetensors(origin)
    if suffix == ".npy":
        return "", {"": open_npy(origin)}
    if is_idx(origin):
        rows = open_idx(origin)
        check_pictures(rows)
        return "", {"": rows}
    advice = ""
    if suffix in SUFFIXES:
        advice = ": name the folder of the picture"
    if suffix in _PICKLES:
        advice = ": it may hold code and is never loaded; save the array by np.save"
    raise origin.fault(f"must be {_FORMATS}, got a file ending in {suffix!r}{advice}")


def _classify(origin: Origin, rows: Rows, *, value_range: str, size: int | None) -> Source:
    shape = rows.shape
    if len(shape) not in (2, 3, 4):
        raise origin.fault(f"must be features (N, d) or pictures of 3 or 4 axes, got shape {shape}")
    if 0 in shape:
        raise origin.fault(f"must hold at least one sample, got shape {shape}")
    if len(shape) == 2:
        return FeatureRows(rows)
    pictures = ArrayPictures(rows, value_range=value_range)
    return pictures if size is None else Resized(pictures, size)


def _check_lengths(origin: Origin, name: str, arrays: dict[str, Rows]) -> None:
    for key, rows in arrays.items():
        if rows.shape[:1] != arrays[name].shape[:1]:
            raise origin.fault(
                f"must hold as many {key} as samples ({name}), got shapes {rows.shape} and "
                f"{arrays[name].shape}"
            )
