"""Any numeric array, in any container and memory order, comes back row for row."""

import gzip
import os
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import save_file

from genbench.data import open_samples


def _idx(path: Path, x: np.ndarray) -> None:
    content = struct.pack(f">BBBB{x.ndim}I", 0, 0, 8, x.ndim, *x.shape) + x.tobytes()
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


SAVE = {
    "x.npy": np.save,
    "x.npz": lambda path, x: np.savez(path, images=x),
    "packed.npz": lambda path, x: np.savez_compressed(path, x),
    "x.safetensors": lambda path, x: save_file({"x": np.ascontiguousarray(x)}, path),
    "x-idx3-ubyte": _idx,
    "x-idx3-ubyte.gz": _idx,
}
SIDES = st.tuples(st.integers(1, 40), st.integers(2, 9), st.integers(5, 9))


@pytest.fixture(scope="module")
def folder():
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # thousands of small writes
    with TemporaryDirectory(prefix="genbench-", dir=memory) as name:
        yield Path(name)


def test_pictures(folder):
    @given(arrays.arrays(np.uint8, SIDES), st.sampled_from(sorted(SAVE)), st.booleans(), st.data())
    def check(x, name, fortran, data):
        SAVE[name](folder / name, np.asarray(x, order="F" if fortran else "C"))
        samples = open_samples(folder / name)
        start = data.draw(st.integers(0, len(x) - 1))
        stop = data.draw(st.integers(start + 1, len(x)))
        for rows in (slice(start, stop), slice(0, start), slice(0, len(x))):
            np.testing.assert_array_equal(samples.read(rows.start, rows.stop), x[rows, None])
        # a digest is of the rows, wherever they stand
        np.save(folder / "part.npy", x[start:stop])
        part = open_samples(folder / "part.npy").digest(0, stop - start)
        assert samples.digest(start, stop) == part

    check()


def test_features(folder):
    dtypes = arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
    features = dtypes.flatmap(lambda dtype: arrays.arrays(dtype, shapes))

    @given(features, st.sampled_from(["x.npy", "packed.npz"]), st.booleans())
    def check(x, name, fortran):
        SAVE[name](folder / name, np.asarray(x, order="F" if fortran else "C"))
        got = open_samples(folder / name).read(0, len(x))
        assert got.dtype.isnative and got.dtype.itemsize == x.dtype.itemsize
        np.testing.assert_array_equal(got, x)  # NaN and infinity too: metrics judge them

    check()
