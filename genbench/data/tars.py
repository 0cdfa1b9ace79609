"""Files in a .tar.gz, read one behind the other; nothing is written to disk, so nothing escapes.

POSIX ustar, IEEE Std 1003.1. Not Python's tarfile: its extended headers may be of any size, and it
keeps every member's.
"""

from __future__ import annotations

import gzip
from collections.abc import Collection
from typing import IO, cast

from genbench.data.origin import Origin

UNPACKED_LIMIT = 2**28  # bytes of a whole archive; CIFAR-100's unpack to 178 MiB
_MEMBERS_LIMIT = 1000
_BLOCK, _PIECE = 512, 2**20
_FILE, _FOLDER, _NOTES = (b"0", b"\0"), b"5", (b"x", b"g")
_KINDS = {b"1": "a link", b"2": "a symbolic link", b"3": "a device", b"4": "a device"}


class _Limited:
    """The unpacked bytes of a .gz, refused beyond `UNPACKED_LIMIT`."""

    def __init__(self, file: IO[bytes], origin: Origin) -> None:
        self._file, self._origin, self._count = file, origin, 0

    def read(self, size: int) -> bytearray:
        """Exactly `size` bytes; memory grows with what is there, not with what is declared."""
        content = bytearray()
        while len(content) < size:
            content += self._piece(min(_PIECE, size - len(content)))
        return content

    def skip(self, size: int) -> None:
        """Read `size` bytes and keep none."""
        while size > 0:
            size -= len(self._piece(min(_PIECE, size)))

    def _piece(self, size: int) -> bytes:
        if self._count + size > UNPACKED_LIMIT:
            raise self._origin.fault(
                f"would unpack to more than {UNPACKED_LIMIT} bytes: taken for a bomb"
            )
        content = self._file.read(size)
        self._count += len(content)
        if len(content) < size:
            raise self._origin.fault(
                f"is truncated: ends inside a member after {self._count} bytes"
            )
        return content


def read_tar(origin: Origin, names: Collection[str], *, limit: int) -> dict[str, bytearray]:
    """The contents of those of the files `names` that a .tar.gz holds.

    Raises InputError for links, devices, names that lead outside, a name twice, damage, a file of
    more than `limit` bytes, and archives that unpack to more than `UNPACKED_LIMIT`.
    """
    origin.file_size()
    found: dict[str, bytearray] = {}
    with origin.reading(), gzip.open(origin.path) as packed:
        stream = _Limited(cast("IO[bytes]", packed), origin)
        for _ in range(_MEMBERS_LIMIT):
            header = stream.read(_BLOCK)
            if header == bytes(_BLOCK):
                return found
            name, kind, size = _parse(header, origin)
            padding = -size % _BLOCK
            if kind in _FILE and name in names:
                if name in found:
                    raise origin.fault(f"holds {name} twice")
                if size > limit:
                    raise origin.fault(f"declares {name} of {size} bytes, at most {limit} are read")
                found[name] = stream.read(size)
                size = 0
            stream.skip(size + padding)
    raise origin.fault(f"holds more than {_MEMBERS_LIMIT} members")


def _parse(header: bytearray, origin: Origin) -> tuple[str, bytes, int]:
    """Name, kind and size of a member."""
    try:
        declared = _octal(header[148:156])
        size = _octal(header[124:136])
    except ValueError as error:
        raise origin.fault("is no tar archive in gzip: has no header where one must be") from error
    if declared != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        raise origin.fault("is no tar archive in gzip, or damaged: a header's checksum is wrong")
    name, kind = _until_zero(header[:100]), bytes(header[156:157])
    if header[257:263] == b"ustar\0" and (prefix := _until_zero(header[345:500])):
        name = f"{prefix}/{name}"
    if kind in _NOTES:
        return name, kind, size
    if kind not in (*_FILE, _FOLDER):
        what = _KINDS.get(kind, f"of type {kind!r}")
        raise origin.fault(f"holds {name:.80}, which is {what}: only files are read")
    parts = name.split("/")
    if ".." in parts or name.startswith("/") or "\\" in name:
        raise origin.fault(f"holds {name:.80}, which leads outside of the archive")
    return name.removeprefix("./"), kind, size


def _until_zero(field: bytearray) -> str:
    return field.partition(b"\0")[0].decode("latin-1")


def _octal(field: bytearray) -> int:
    """ValueError for what is none; Python's int would take signs and underscores."""
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise ValueError(field)
    return int(digits, 8)
