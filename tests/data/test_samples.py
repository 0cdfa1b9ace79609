"""What a path holds: layouts, value ranges, digests, parts; hand-made files against hand values."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from genbench.data import open_samples
from genbench.errors import InputError


def stored(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def levels(*shape: int) -> np.ndarray:
    """uint8 pictures in which every level occurs."""
    return (np.arange(np.prod(shape)) * 37 % 256).astype(np.uint8).reshape(shape)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_features_come_as_they_were_saved(tmp_path, dtype, order):
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(dtype)
    samples = open_samples(stored(tmp_path / "x.npy", np.asarray(x, order=order)))
    assert (samples.kind, samples.shape, len(samples)) == ("features", (5,), 7)
    part = samples.read(2, 6)
    assert part.dtype == x.dtype.newbyteorder("=") and part.dtype.isnative
    assert part.flags.c_contiguous and part.flags.writeable
    np.testing.assert_array_equal(part, x[2:6])
    assert samples.read(7, 7).shape == (0, 5)


@pytest.mark.parametrize(
    ("shape", "layout", "axes"),
    [
        ((5, 8, 6), "NHW", None),
        ((5, 1, 8, 6), "NCHW", (0, 1, 2, 3)),
        ((5, 3, 8, 6), "NCHW", (0, 1, 2, 3)),
        ((5, 8, 6, 1), "NHWC", (0, 3, 1, 2)),
        ((5, 8, 6, 3), "NHWC", (0, 3, 1, 2)),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_layouts(tmp_path, shape, layout, axes, order):
    x = levels(*shape)
    samples = open_samples(stored(tmp_path / "x.npy", np.asarray(x, order=order)))
    expected = x[:, None] if axes is None else x.transpose(axes)
    assert samples.kind == "images"
    assert samples.shape == expected.shape[1:]
    assert samples.conventions["layout"] == layout
    got = samples.read(1, 4)
    assert got.dtype == np.uint8 and got.flags.c_contiguous
    np.testing.assert_array_equal(got, expected[1:4])


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ((5, 3, 8, 3), "either axis could be the channels"),
        ((5, 1, 8, 1), "either axis could be the channels"),
        ((5, 8, 8, 8), r"got \(5, 8, 8, 8\)$"),
        ((5, 8, 8, 4), "drop the alpha channel first"),
        ((32, 32, 3), "one picture"),
        ((5,), "3 or 4 axes"),
        ((2, 5, 3, 8, 8), "3 or 4 axes"),
        ((0, 8, 8), "at least one sample"),
        ((5, 3, 0, 8), "at least one sample"),
    ],
)
def test_shapes_that_are_not_certain(tmp_path, shape, line):
    with pytest.raises(InputError, match=line):
        open_samples(stored(tmp_path / "x.npy", np.zeros(shape, np.uint8)))


@pytest.mark.parametrize("dtype", ["?", "i1", "<u2", "<i4", "<i8", "<c8"])
def test_other_numbers_than_bytes_are_no_pictures(tmp_path, dtype):
    with pytest.raises(InputError, match=r"^real: .*x\.npy must hold pictures as uint8 or float"):
        open_samples(stored(tmp_path / "x.npy", np.ones((4, 8, 8), dtype)))
    with pytest.raises(InputError, match=r"must hold features as float16, 32 or 64"):
        open_samples(stored(tmp_path / "y.npy", np.ones((4, 8), dtype)))


def test_flattened_pictures_are_told_their_shapes(tmp_path):
    line = r"got uint8 \(4, 64\); pictures are \(N, H, W\), \(N, C, H, W\) or \(N, H, W, C\)$"
    with pytest.raises(InputError, match=line):
        open_samples(stored(tmp_path / "x.npy", np.ones((4, 64), np.uint8)))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
@pytest.mark.parametrize("name", ["unit", "symmetric"])
@pytest.mark.parametrize("asked", [False, True])
def test_every_level_survives_a_floating_file(tmp_path, dtype, name, asked):
    x = levels(4, 3, 8, 8)
    scaled = x / 255.0 if name == "unit" else x / 127.5 - 1
    path = stored(tmp_path / "x.npy", scaled.astype(dtype))
    samples = open_samples(path, value_range=name if asked else "auto")
    np.testing.assert_array_equal(samples.read(0, 4), x)
    span = {"unit": "[0, 1]", "symmetric": "[-1, 1]"}[name]
    assert samples.conventions["values"].startswith(f"floating in {span} -> 8 bit")
    assert ("values note" in samples.conventions) == (name == "unit" and not asked)


def test_values_round_to_the_nearest_level(tmp_path):
    x = np.zeros((1, 1, 1, 5))
    x[0, 0, 0] = [0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1]
    samples = open_samples(stored(tmp_path / "x.npy", x))
    np.testing.assert_array_equal(samples.read(0, 1).ravel(), [0, 0, 1, 255, 255])


def test_a_generator_in_minus_one_to_one_against_images_in_zero_to_one(tmp_path):
    """One of the mistakes of public code: each set is judged by its own range."""
    x = levels(6, 3, 8, 8)
    real = open_samples(stored(tmp_path / "a.npy", (x / 255).astype("f4")))
    fake = open_samples(stored(tmp_path / "b.npy", (x / 127.5 - 1).astype("f4")), argument="fake")
    bytes_ = open_samples(stored(tmp_path / "c.npy", x))
    np.testing.assert_array_equal(real.read(0, 6), fake.read(0, 6))
    np.testing.assert_array_equal(real.read(0, 6), bytes_.read(0, 6))


def test_the_rule_looks_at_the_whole_set(tmp_path):
    x = np.full((3000, 4, 4), 0.5, "f4")
    x[-1, 3, 3] = -0.5  # the only value below 0
    samples = open_samples(stored(tmp_path / "x.npy", x))
    np.testing.assert_array_equal(samples.read(0, 1), np.full((1, 1, 4, 4), round(0.75 * 255)))


def test_a_set_that_could_be_either_is_read_as_told(tmp_path):
    path = stored(tmp_path / "x.npy", np.full((3, 4, 4), 0.5))
    assert open_samples(path).read(0, 1).max() == 128
    assert open_samples(path, value_range="symmetric").read(0, 1).max() == round(0.75 * 255)
    assert "--value-range symmetric" in open_samples(path).conventions["values note"]


@pytest.mark.parametrize(
    ("low", "high", "asked", "line"),
    [
        (0, 255, "auto", r"must hold values in \[0, 1\], got 0 to 255: .*--value-range unit or"),
        (-1, 2, "auto", r"must hold values in \[-1, 1\], got -1 to 2"),
        (-3, 1, "auto", r"must hold values in \[-1, 1\], got -3 to 1"),
        (-1, 1, "unit", r"in \[0, 1\] as --value-range unit says, got -1 to 1"),
        (0, 1.5, "symmetric", r"in \[-1, 1\] as --value-range symmetric says, got 0 to 1.5"),
        (0, np.nan, "auto", "NaN or infinity, first in sample 2"),
        (-np.inf, 1, "unit", "NaN or infinity, first in sample 1"),
    ],
)
def test_values_outside_the_range(tmp_path, low, high, asked, line):
    x = np.full((4, 8, 8), 0.5)
    x[1, 2, 3], x[2, 3, 4] = low, high
    with pytest.raises(InputError, match=rf"^fake: .*x\.npy .*{line}"):
        open_samples(stored(tmp_path / "x.npy", x), argument="fake", value_range=asked)


@pytest.mark.parametrize("range_", ["auto", "unit"])
def test_rounding_beyond_an_end_is_no_fault(tmp_path, range_):
    x = np.linspace(-1e-7, 1 + 1e-7, 64).reshape(1, 8, 8)
    got = open_samples(stored(tmp_path / "x.npy", x), value_range=range_).read(0, 1)
    assert (got.min(), got.max()) == (0, 255)


def test_unknown_options(tmp_path):
    path = stored(tmp_path / "x.npy", levels(2, 8, 8))
    with pytest.raises(InputError, match=r"^value_range: must be auto, unit or symmetric, got 'x'"):
        open_samples(path, value_range="x")
    for size in (0, -4, 9000, True, 2.5):
        with pytest.raises(InputError, match=r"^size: must be 1 to 8192 pixels"):
            open_samples(path, size=size)  # type: ignore[arg-type]


def test_a_zero_byte_in_a_path():
    with pytest.raises(InputError, match=r"^real: a\\x00b is no path: it holds a zero byte$"):
        open_samples("a\0b")


def test_rows_that_are_not_there(tmp_path):
    samples = open_samples(stored(tmp_path / "x.npy", np.zeros((3, 2))))
    for start, stop in [(-1, 2), (2, 1), (0, 4)]:
        with pytest.raises(ValueError, match="0 <= start <= stop <= 3"):
            samples.read(start, stop)
        with pytest.raises(ValueError, match="0 <= start <= stop <= 3"):
            samples.digest(start, stop)


def test_a_digest_is_of_values_not_of_their_storage(tmp_path):
    x = np.random.default_rng(0).normal(size=(9, 4)).astype("f4")
    variants = [x, np.asfortranarray(x), x.astype(">f4"), np.asfortranarray(x.astype(">f4"))]
    opened = [open_samples(stored(tmp_path / f"{i}.npy", v)) for i, v in enumerate(variants)]
    assert len({samples.digest(3, 8) for samples in opened}) == 1
    # of these rows alone: a longer file shares the digests of the rows it shares
    longer = open_samples(stored(tmp_path / "longer.npy", np.concatenate([x, x])))
    assert longer.digest(0, 9) == longer.digest(9, 18) == opened[0].digest(0, 9)
    assert len({opened[0].digest(a, b) for a in range(9) for b in range(a + 1, 10)}) == 45
    assert open_samples(stored(tmp_path / "d.npy", x.astype("f8"))).digest(0, 9) != (
        opened[0].digest(0, 9)
    )


def test_a_digest_knows_how_values_are_read(tmp_path):
    x = np.full((3, 8, 8), 0.5)
    path = stored(tmp_path / "x.npy", x)
    unit, symmetric = open_samples(path), open_samples(path, value_range="symmetric")
    small = open_samples(path, size=4)
    assert len({s.digest(0, 3) for s in (unit, symmetric, small)}) == 3
    assert open_samples(path, value_range="unit").digest(0, 3) == unit.digest(0, 3)
    # another extreme elsewhere in the set, the same decision: the first rows keep their digest
    x[2] = 0.75
    assert open_samples(stored(tmp_path / "y.npy", x)).digest(0, 2) == unit.digest(0, 2)


def test_a_change_that_keeps_size_and_time_is_noticed(tmp_path):
    path = stored(tmp_path / "x.npy", np.zeros((4, 3)))
    before, times = open_samples(path), os.stat(path)
    old = before.digest(0, 4)
    changed = np.zeros((4, 3))
    changed[3, 1] = 1e-300
    stored(path, changed)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert os.stat(path).st_size == times.st_size
    assert before.digest(0, 4) == open_samples(path).digest(0, 4) != old
    assert before.digest(0, 3) == open_samples(path).digest(0, 3)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_cut_after_it_was_opened(tmp_path, order):
    path = stored(tmp_path / "x.npy", np.zeros((100, 100), order=order))
    samples = open_samples(path)
    os.truncate(path, 1000)
    with pytest.raises(InputError, match=r"x\.npy ended \d+ bytes early"):
        samples.read(0, 100)


@pytest.mark.parametrize("fortran", [False, True])
def test_a_part_of_a_huge_file_is_read_alone(tmp_path, fortran):
    """8 GiB, sparse: reading it whole would not fit in the memory that is allowed here."""
    path = tmp_path / "x.npy"
    shape = (2**20, 2**11)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": fortran, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        offset = file.tell()
        file.truncate(offset + 4 * shape[0] * shape[1])
    stored_rows = np.memmap(path, "<f4", "r+", offset, shape, order="F" if fortran else "C")
    stored_rows[1_000_000] = np.arange(shape[1])
    del stored_rows
    tracemalloc.start()
    try:
        samples = open_samples(path)
        rows = samples.read(999_990, 1_000_010)
        samples.digest(1_000_000, 1_000_100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(samples) == 2**20
    np.testing.assert_array_equal(rows[10], np.arange(shape[1]))
    assert not rows[:10].any() and not rows[11:].any()
    assert peak < 4 * 2**20


def test_an_array_of_pictures_is_resized(tmp_path):
    x = np.zeros((2, 8, 8, 3), np.uint8)
    x[1] = [10, 100, 200]
    samples = open_samples(stored(tmp_path / "x.npy", x), size=4)
    assert samples.shape == (3, 4, 4)
    got = samples.read(0, 2)
    assert not got[0].any()
    for channel, level in enumerate([10, 100, 200]):  # a constant stays: weights sum to 1
        assert (got[1, channel] == level).all()
    assert samples.conventions["size"].startswith("4 x 4, bicubic with antialiasing")
