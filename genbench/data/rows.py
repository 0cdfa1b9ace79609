"""Arrays on disk, read a range of rows at a time."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np

from genbench.data.origin import Origin

# An array that cannot be read by rows (in a zip and in Fortran order, labels) is read whole.
WHOLE_LIMIT = 4 * 2**30  # bytes
CHUNK = 16 * 2**20  # bytes of rows that a pass over an array holds at a time
# Going back in a packed array unpacks it from its start again: who takes the digest of each chunk
# before reading it goes forward on two streams.
_STREAMS = 2
_SKIP = 2**16  # bytes; shorter gaps are read: zipfile forgets its checksum in a seek (Python 3.12)


class Rows:
    """A numeric array (N, ...) inside a file, unpacked on the way if need be; `read` takes rows.

    origin: for error lines. open_stream: opens the unpacked content, which can seek.
    offset: bytes before the array. dtype: as stored. fortran: first axis varies fastest.
    plain: the content lies in the file as it is, not packed.
    """

    def __init__(
        self,
        origin: Origin,
        open_stream: Callable[[], IO[bytes]],
        *,
        offset: int,
        shape: tuple[int, ...],
        dtype: np.dtype,
        fortran: bool = False,
        plain: bool = True,
    ) -> None:
        self.origin = origin
        self.shape = shape
        self._stored = dtype
        self.dtype = dtype.newbyteorder("=")
        self.nbytes = math.prod(shape) * dtype.itemsize
        self._open_stream = open_stream
        self._offset = offset
        self._fortran = fortran and len(shape) > 1
        self._plain = plain
        self._streams: list[IO[bytes]] = []
        self._whole: np.ndarray | None = None
        self._lock = threading.Lock()  # of the streams' positions

    def __len__(self) -> int:
        return self.shape[0]

    def pieces(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Rows [start, stop) in pieces of `CHUNK` bytes, or of a row where that is more."""
        step = max(1, CHUNK // max(1, self.nbytes // max(1, len(self))))
        for first in range(start, stop, step):
            yield self.read(first, min(first + step, stop))

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows [start, stop) in C order and native byte order, as a new array."""
        with self.origin.reading(), self._lock:
            rows = self._strided(start, stop) if self._fortran else self._direct(start, stop)
        return rows.astype(self.dtype, order="C", copy=not rows.flags.writeable, subok=False)

    def whole(self) -> np.ndarray:
        """All rows; raises InputError for more than `WHOLE_LIMIT` bytes."""
        self._check_fits()
        return self.read(0, len(self))

    def _direct(self, start: int, stop: int) -> np.ndarray:
        row = math.prod(self.shape[1:])
        rows = np.empty(((stop - start), *self.shape[1:]), self._stored)
        self._fill(rows, self._offset + start * row * self._stored.itemsize)
        return rows

    def _strided(self, start: int, stop: int) -> np.ndarray:
        if not self._plain:
            return self._unpacked()[start:stop].copy()
        columns = math.prod(self.shape[1:])  # of len(self) values each, one behind the other
        content = np.empty((columns, stop - start), self._stored)
        for column, values in enumerate(content):
            place = column * len(self) + start
            self._fill(values, self._offset + place * self._stored.itemsize)
        return content.T.reshape((stop - start, *self.shape[1:]), order="F")

    def _unpacked(self) -> np.ndarray:
        if self._whole is None:
            self._check_fits()
            content = np.empty(math.prod(self.shape), self._stored)
            self._fill(content, self._offset)
            self._whole = content.reshape(self.shape, order="F")
        return self._whole

    def _fill(self, rows: np.ndarray, position: int) -> None:
        """Read `rows` from the byte at `position` on."""
        stream = self._stream_at(position)
        view = rows.data.cast("B") if rows.size else memoryview(b"")
        while view and (count := stream.readinto(view)):  # type: ignore[attr-defined]
            view = view[count:]
        if view:
            raise self.origin.fault(f"ended {len(view)} bytes early: was it cut meanwhile?")

    def _stream_at(self, position: int) -> IO[bytes]:
        if self._plain:
            self._streams = self._streams or [self._open_stream()]
            self._streams[0].seek(position)
            return self._streams[0]
        behind = [stream for stream in self._streams if stream.tell() <= position]
        if behind:
            stream = max(behind, key=lambda stream: stream.tell())
        elif len(self._streams) < _STREAMS:
            self._streams.append(stream := self._open_stream())
        else:
            stream = max(self._streams, key=lambda stream: stream.tell())
            stream.seek(0)
        gap = position - stream.tell()
        if gap < _SKIP:
            stream.read(gap)
        else:
            stream.seek(position)
        return stream

    def _check_fits(self) -> None:
        if self.nbytes > WHOLE_LIMIT:
            raise self.origin.fault(
                f"holds an array of {self.nbytes} bytes that must be read whole; at most "
                f"{WHOLE_LIMIT} are: save it by np.save in C order"
            )
