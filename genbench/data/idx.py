"""IDX files, as MNIST and Fashion-MNIST come, packed by gzip or not. LeCun, MNIST database page.

Two zero bytes, a type code, the number of axes; each axis as a big-endian uint32; the values.
"""

from __future__ import annotations

import gzip
import math
import re
from typing import IO, cast

import numpy as np

from genbench.data.archives import check_bomb
from genbench.data.origin import Origin
from genbench.data.rows import CHUNK, Rows

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_NAMED = re.compile(r"idx\d|ubyte", re.IGNORECASE)


def is_idx(origin: Origin) -> bool:
    """Whether name or first bytes are those of an IDX file, or of one in gzip."""
    origin.file_size()
    with origin.reading(), origin.path.open("rb") as file:
        start = file.read(4)
    if _NAMED.search(origin.path.name) or start[:2] == _GZIP:
        return True
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in _TYPES and 1 <= start[3] <= 4


def open_idx(origin: Origin) -> Rows:
    """The array of an IDX file; raises InputError where header and size disagree."""
    actual = origin.file_size()
    with origin.reading(), origin.path.open("rb") as file:
        packed = file.read(2) == _GZIP

    def open_stream() -> IO[bytes]:
        return cast("IO[bytes]", gzip.open(origin.path)) if packed else origin.stream()

    with origin.reading(), open_stream() as file:
        shape, dtype, offset = _read_header(file, origin)
        size = offset + math.prod(shape) * dtype.itemsize
        if packed:
            check_bomb(origin, "", packed=actual, unpacked=size)
            actual = offset + _count(file, size - offset + 1)
    if size != actual:
        kind = "is truncated" if actual < size else "has bytes behind its values"
        at_least = "at least " if packed and actual > size else ""
        raise origin.fault(
            f"{kind}: declares shape {shape} of {dtype}, {size} bytes with the header, and has "
            f"{at_least}{actual}"
        )
    return Rows(origin, open_stream, offset=offset, shape=shape, dtype=dtype, plain=not packed)


def check_pictures(rows: Rows) -> None:
    """Raise InputError for the IDX file of labels, and for pictures that are not bytes."""
    if len(rows.shape) == 1:
        raise rows.origin.fault(
            f"holds {len(rows)} labels (idx1): name the file of pictures, such as "
            "train-images-idx3-ubyte"
        )
    if len(rows.shape) > 2 and rows.dtype != np.uint8:
        raise rows.origin.fault(
            f"must hold pictures as unsigned bytes (idx ubyte), got {rows.dtype}"
        )


def _read_header(file: IO[bytes], origin: Origin) -> tuple[tuple[int, ...], np.dtype, int]:
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES or not start[3]:
        codes = ", ".join(f"{code:#04x}" for code in _TYPES)
        raise origin.fault(
            f"is no IDX file: must begin with two zero bytes, a type ({codes}) and the number of "
            f"axes, got {start!r}"
        )
    axes = file.read(4 * start[3])
    if len(axes) < 4 * start[3]:
        raise origin.fault(f"ends inside its header of {start[3]} axes")
    shape = tuple(int(n) for n in np.frombuffer(axes, ">u4"))
    return shape, np.dtype(_TYPES[start[2]]), 4 + len(axes)


def _count(file: IO[bytes], limit: int) -> int:
    """How many bytes follow, counted up to `limit`: a bomb is unpacked no further."""
    counted = 0
    while counted < limit and (piece := file.read(min(CHUNK, limit - counted))):
        counted += len(piece)
    return counted
