"""Arrays in .npz, .safetensors and IDX files: which counts, and that they come as saved."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from genbench.data import open_samples, rows
from genbench.data.idx import open_idx
from genbench.data.origin import Origin
from genbench.errors import InputError

PICTURES = (np.arange(20 * 6 * 5) * 37 % 256).astype(np.uint8).reshape(20, 6, 5)
FEATURES = np.random.default_rng(0).normal(size=(20, 3)).astype("f4")
IDX_CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx_bytes(array: np.ndarray, dtype: str = "u1") -> bytes:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, IDX_CODES[dtype], array.ndim, *array.shape)
    return head + array.astype(dtype).tobytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("name", ["features", "images", "samples", "arr_0", "anything"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_members(tmp_path, save, name, order):
    array = PICTURES if name == "images" else FEATURES
    save(tmp_path / "x.npz", **{name: np.asarray(array, order=order), "labels": np.arange(20)})
    samples = open_samples(tmp_path / "x.npz")
    assert samples.kind == ("images" if name == "images" else "features")
    assert samples.conventions["array"] == name
    expected = array[:, None] if name == "images" else array
    # forward, back, over the end's checksum and back again
    for start, stop in [(3, 9), (9, 20), (0, 2), (5, 6), (0, 20), (19, 20)]:
        np.testing.assert_array_equal(samples.read(start, stop), expected[start:stop])
    np.testing.assert_array_equal(samples.extra("labels"), np.arange(20))
    assert samples.extra("log_prob") is None


def test_a_packed_file_has_the_digests_of_a_plain_one(tmp_path):
    np.save(tmp_path / "x.npy", FEATURES)
    np.savez(tmp_path / "stored.npz", FEATURES)
    np.savez_compressed(tmp_path / "packed.npz", features=FEATURES)
    save_file({"f": FEATURES}, tmp_path / "x.safetensors")
    opened = [open_samples(path) for path in sorted(tmp_path.iterdir())]
    assert len({samples.digest(2, 11) for samples in opened}) == 1


def test_large_members_are_read_from_the_middle(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (64, 3, 64, 64), dtype=np.uint8)
    np.savez(tmp_path / "stored.npz", x)
    np.savez_compressed(tmp_path / "packed.npz", x)
    for name in ("stored", "packed"):
        samples = open_samples(tmp_path / f"{name}.npz")
        for start in (40, 10, 60):
            np.testing.assert_array_equal(samples.read(start, start + 4), x[start : start + 4])


def test_a_reference_batch_with_moments_beside_is_pictures(tmp_path):
    mu, sigma = np.zeros(4), np.eye(4)
    np.savez(tmp_path / "x.npz", arr_0=PICTURES, mu=mu, sigma=sigma, mu_s=mu, sigma_s=sigma)
    samples = open_samples(tmp_path / "x.npz")
    assert samples.kind == "images"
    assert samples.extra("mu") is None


def test_moments_as_pytorch_fid_writes_them(tmp_path):
    mu, sigma = FEATURES.mean(axis=0), np.cov(FEATURES, rowvar=False)
    np.savez_compressed(tmp_path / "x.npz", mu=mu, sigma=sigma)
    samples = open_samples(tmp_path / "x.npz")
    assert (samples.kind, samples.shape, len(samples)) == ("moments", (3,), 0)
    np.testing.assert_array_equal(samples.extra("mu"), mu)
    np.testing.assert_array_equal(samples.extra("sigma"), sigma)
    with pytest.raises(InputError, match="holds mu and sigma, no samples"):
        samples.read(0, 0)
    np.savez(tmp_path / "y.npz", mu=mu, sigma=2 * sigma)
    assert open_samples(tmp_path / "y.npz").digest(0, 0) != samples.digest(0, 0)


@pytest.mark.parametrize(
    ("mu", "sigma", "line"),
    [
        (np.zeros(3), np.eye(4), r"mu \(d,\) and sigma \(d, d\), got \(3,\) and \(4, 4\)"),
        (np.zeros((1, 3)), np.eye(3), r"got \(1, 3\) and \(3, 3\)"),
        (np.zeros(0), np.zeros((0, 0)), r"got \(0,\) and \(0, 0\)"),
        (np.array([0, np.nan]), np.eye(2), "NaN or infinity in mu"),
        (np.zeros(2), np.full((2, 2), np.inf), "NaN or infinity in sigma"),
        (
            np.zeros(2),
            np.array([[1, 2], [0, 1.0]]),
            "symmetric sigma, got entries that differ by 2",
        ),
        (np.zeros(2, int), np.eye(2), "as floats, got int64 and float64"),
    ],
)
def test_moments_that_are_none(tmp_path, mu, sigma, line):
    np.savez(tmp_path / "x.npz", mu=mu, sigma=sigma)
    with pytest.raises(InputError, match=line):
        open_samples(tmp_path / "x.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {"features": FEATURES, "images": PICTURES},
        {"a": FEATURES, "b": FEATURES},
        {"labels": np.arange(20)},
        {"mu": np.zeros(3)},
        {"mu": np.zeros(3), "sigma": np.eye(3), "a": FEATURES, "b": FEATURES},
    ],
    ids=lambda arrays: " ".join(arrays),
)
def test_an_array_that_is_not_certain_is_not_guessed(tmp_path, arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    line = f"must hold exactly one of .*, got {', '.join(sorted(arrays))}$"
    with pytest.raises(InputError, match=line):
        open_samples(tmp_path / "x.npz")


def test_what_must_be_read_whole_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "WHOLE_LIMIT", 200)
    np.savez(tmp_path / "c.npz", features=FEATURES, probabilities=np.ones((20, 3)))
    np.savez(tmp_path / "f.npz", features=np.asfortranarray(FEATURES))
    samples = open_samples(tmp_path / "c.npz")
    np.testing.assert_array_equal(samples.read(0, 20), FEATURES)  # 240 bytes, by rows
    with pytest.raises(InputError, match="480 bytes that must be read whole; at most 200"):
        samples.extra("probabilities")
    with pytest.raises(InputError, match="240 bytes that must be read whole; at most 200"):
        open_samples(tmp_path / "f.npz").read(0, 1)


def test_extras_of_another_length(tmp_path):
    np.savez(tmp_path / "x.npz", features=FEATURES, labels=np.arange(19))
    line = r"as many labels as samples \(features\), got shapes \(19,\) and \(20, 3\)"
    with pytest.raises(InputError, match=line):
        open_samples(tmp_path / "x.npz")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_safetensors(tmp_path, dtype):
    x = FEATURES.astype(dtype)
    save_file({"features": x, "other": np.zeros(7)}, tmp_path / "x.safetensors", {"by": "me"})
    samples = open_samples(tmp_path / "x.safetensors")
    assert (samples.kind, samples.shape, len(samples)) == ("features", (3,), 20)
    got = samples.read(4, 20)
    assert got.dtype == x.dtype
    np.testing.assert_array_equal(got, x[4:])


def test_safetensors_of_other_types_and_names(tmp_path):
    path = tmp_path / "x.safetensors"
    save_torch({"x": torch.zeros(4, 3, dtype=torch.bfloat16)}, path)
    with pytest.raises(InputError, match="must hold F16, F32, F64, U8, got x of BF16"):
        open_samples(path)
    save_file({"a": FEATURES, "b": FEATURES}, path)
    with pytest.raises(InputError, match=r"in its \.safetensors, got a, b"):
        open_samples(path)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-images.idx3-ubyte", "mnist"])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_pictures(tmp_path, name, packed):
    path: Path = tmp_path / (f"{name}.gz" if packed else name)
    content = idx_bytes(PICTURES)
    path.write_bytes(gzip.compress(content) if packed else content)
    samples = open_samples(path)
    assert (samples.kind, samples.shape, len(samples)) == ("images", (1, 6, 5), 20)
    for start, stop in [(5, 20), (0, 3), (0, 20)]:
        np.testing.assert_array_equal(samples.read(start, stop), PICTURES[start:stop, None])
    np.save(tmp_path / "x.npy", PICTURES)
    assert samples.digest(0, 20) == open_samples(tmp_path / "x.npy").digest(0, 20)


@pytest.mark.parametrize("dtype", IDX_CODES)
def test_idx_types(tmp_path, dtype):
    path = tmp_path / "x"
    x = (np.arange(24) - (0 if dtype == "u1" else 12)).reshape(4, 3, 2)
    path.write_bytes(idx_bytes(x, dtype))
    np.testing.assert_array_equal(open_idx(Origin("real", path)).read(1, 4), x[1:])
    if dtype != "u1":
        with pytest.raises(InputError, match="must hold pictures as unsigned bytes"):
            open_samples(path)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_labels_name_the_pictures(tmp_path, packed):
    path = tmp_path / "train-labels-idx1-ubyte"
    content = idx_bytes(np.arange(10))
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError, match=r"holds 10 labels \(idx1\): name the file of pictures"):
        open_samples(path)


def test_a_folder_of_arrays_says_which_file_to_name(tmp_path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte"):
        (tmp_path / name).write_bytes(b"")
    line = "name one of its files: t10k-images-idx3-ubyte, train-images-idx3-ubyte$"
    with pytest.raises(InputError, match=line):
        open_samples(tmp_path)
    for path in tmp_path.iterdir():
        path.rename(path.with_name(f"{path.name}".replace("ubyte", "x") + ".npy"))
    with pytest.raises(InputError, match=r"name one of its files: t10k-images-idx3-x\.npy, "):
        open_samples(tmp_path)
