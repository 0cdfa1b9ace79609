"""Packed arrays are unpacked forward: going back costs the whole way from the start."""

import io
from pathlib import Path

import numpy as np

from genbench.data.origin import Origin
from genbench.data.rows import Rows


class Counted(io.BytesIO):
    """Counts the bytes that a packed stream would have to unpack, seeks included."""

    unpacked = 0

    def seek(self, position: int, whence: int = 0) -> int:
        start = self.tell() if position >= self.tell() else 0
        Counted.unpacked += position - start
        return super().seek(position, whence)

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        Counted.unpacked += len(content)
        return content

    def readinto(self, buffer) -> int:
        count = super().readinto(buffer)
        Counted.unpacked += count
        return count


def test_a_digest_before_each_chunk_unpacks_the_array_twice():
    x = np.arange(100_000, dtype="<f4").reshape(1000, 100)
    opened = []

    def open_stream() -> Counted:
        opened.append(Counted(b"12345678" + x.tobytes()))
        return opened[-1]

    origin = Origin("real", Path("x"))
    rows = Rows(origin, open_stream, offset=8, shape=x.shape, dtype=x.dtype, plain=False)
    for _ in range(3):  # passes
        Counted.unpacked = 0
        for start in range(0, 1000, 10):
            (piece,) = rows.pieces(start, start + 10)
            np.testing.assert_array_equal(piece, x[start : start + 10])
            np.testing.assert_array_equal(rows.read(start, start + 10), piece)
        assert Counted.unpacked <= 2 * (x.nbytes + 8)
    assert len(opened) == 2
