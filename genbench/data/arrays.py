"""Arrays in .npy files; headers are checked against the file's size before anything is read.

The format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Nothing is unpickled.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from typing import IO, NamedTuple

import numpy as np

from genbench.data.origin import Origin
from genbench.data.rows import Rows

_MAGIC = b"\x93NUMPY"
_HEADER_LIMIT = 10_000  # bytes; NumPy's own limit for headers it has not been told to trust
_AXES_LIMIT = 32
_KEYS = {"descr", "fortran_order", "shape"}
# Letters of numbers; objects (pickles), text, dates and records are none.
_NUMBER = re.compile(r"[<>|=]?(?:f(?:2|4|8|16)|[iu][1248]|b1|c(?:8|16|32))")


class Header(NamedTuple):
    """What a .npy header declares; `size`: bytes of header and array together."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    offset: int  # bytes before the array

    @property
    def size(self) -> int:
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def open_npy(origin: Origin) -> Rows:
    """The array of a .npy file; raises InputError for anything but a whole numeric array."""
    actual = origin.file_size()
    with origin.reading(), origin.path.open("rb") as file:
        header = read_header(file, origin, what="")
    check_size(origin, header, actual, what="")
    return Rows(
        origin,
        origin.stream,
        offset=header.offset,
        shape=header.shape,
        dtype=header.dtype,
        fortran=header.fortran,
    )


def read_header(file: IO[bytes], origin: Origin, *, what: str) -> Header:
    """The header at the beginning of `file`; `what` names a member of an archive for errors."""
    start = file.read(8)
    if start[:6] != _MAGIC or len(start) < 8:
        raise origin.fault(f"{what}is no .npy array: begins with {start[:6]!r}, not {_MAGIC!r}")
    width = {1: 2, 2: 4, 3: 4}.get(start[6])
    if width is None:
        raise origin.fault(f"{what}has .npy format version {start[6]}; 1, 2 and 3 are known")
    length = int.from_bytes(file.read(width), "little")
    if length > _HEADER_LIMIT:
        raise origin.fault(f"{what}declares a header of {length} bytes, at most {_HEADER_LIMIT}")
    text = file.read(length)
    if len(text) < length:
        raise origin.fault(f"{what}ends inside its header of {length} bytes")
    shape, dtype, fortran = _parse(text, origin, what)
    return Header(shape, dtype, fortran, 8 + width + length)


def check_size(origin: Origin, header: Header, actual: int, *, what: str) -> None:
    """Raise InputError where the declared array and `actual`, the bytes there, disagree."""
    if header.size == actual:
        return
    kind = "is truncated" if actual < header.size else "has bytes behind its array"
    raise origin.fault(
        f"{what}{kind}: declares shape {_short(header.shape)} of {header.dtype}, "
        f"{header.size} bytes with the header, and has {actual}"
    )


def _parse(text: bytes, origin: Origin, what: str) -> tuple[tuple[int, ...], np.dtype, bool]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own, of odd escapes in the text
            # Python 2 wrote 10L; literal_eval builds constants and runs nothing
            fields = ast.literal_eval(re.sub(r"(?<=\d)L\b", "", text.decode("latin1")).strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise origin.fault(f"{what}has a .npy header that cannot be parsed") from error
    if not isinstance(fields, dict) or fields.keys() != _KEYS:
        raise origin.fault(f"{what}must have a .npy header of descr, fortran_order and shape")
    shape, descr, fortran = fields["shape"], fields["descr"], fields["fortran_order"]
    if not isinstance(descr, str) or not _NUMBER.fullmatch(descr):
        pickled = "O" in str(descr)[:3]
        note = "Python objects are never unpickled; " if pickled else ""
        raise origin.fault(f"{what}must hold numbers, got dtype {descr!r:.60}; {note}save numbers")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise origin.fault(f"{what}must declare a shape of whole numbers >= 0, got {shape!r:.60}")
    if len(shape) > _AXES_LIMIT or math.prod(shape) >= 2**63:
        raise origin.fault(f"{what}declares the absurd shape {_short(shape)}")
    if not isinstance(fortran, bool):
        raise origin.fault(f"{what}must declare fortran_order True or False, got {fortran!r:.60}")
    return shape, np.dtype(descr), fortran


def _short(shape: tuple[int, ...]) -> str:
    """A shape as text; a header can declare thousands of axes, or of digits."""
    text = ", ".join(str(n) if n < 2**64 else "..." for n in shape[:8])
    return f"({text}{', ...' if len(shape) > 8 else ''})"
