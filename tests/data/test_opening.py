"""What a user may name as data, and what each name opens."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_bytes import idx, png
from PIL import Image

from genbench.data import CATALOG, DATASETS, MIXTURES, ON_DISK, mixture, open_dataset
from genbench.data.points import points
from genbench.errors import InputError


def idx_of(array: np.ndarray) -> bytes:
    head = idx(*array.shape, data=0)
    return head + array.astype(np.uint8).tobytes()


DIGITS = np.random.default_rng(1).integers(0, 256, (30, 6, 6), dtype=np.uint8)
LABELS = np.arange(30) % 10
SET = {
    "train-images-idx3-ubyte": idx_of(DIGITS[:20]),
    "train-labels-idx1-ubyte": idx_of(LABELS[:20]),
    "t10k-images-idx3-ubyte": idx_of(DIGITS[20:]),
    "t10k-labels-idx1-ubyte": idx_of(LABELS[20:]),
}


def write(folder: Path, found: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in found.items():
        (folder / name).write_bytes(content)
    return folder


def check_mnist(data) -> None:
    assert data.classes == tuple("0123456789") and data.train.levels == 256
    for part, rows in ((data.train, slice(0, 20)), (data.test, slice(20, 30))):
        np.testing.assert_array_equal(part.x.numpy(), DIGITS[rows, None])
        assert part.labels.tolist() == LABELS[rows].tolist()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", [".", "MNIST/raw", "raw"])
def test_mnist_as_it_comes_and_where_torchvision_puts_it(tmp_path, packed, below):
    found = {f"{k}.gz": gzip.compress(v) for k, v in SET.items()} if packed else SET
    write(tmp_path / below, found)
    data = open_dataset(f"mnist={tmp_path}")
    assert data.name == "mnist"
    check_mnist(data)


def test_a_file_is_taken_before_the_same_one_packed(tmp_path):
    write(tmp_path, SET | {"train-images-idx3-ubyte.gz": b"left from an interrupted download"})
    check_mnist(open_dataset(f"mnist={tmp_path}"))


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_a_class_that_one_part_lacks_counts(tmp_path, part):
    name = f"{part}-labels-idx1-ubyte"
    few = np.zeros(20 if part == "train" else 10)
    write(tmp_path, SET | {name: idx_of(few)})
    assert len(open_dataset(f"mnist={tmp_path}").classes) == 10


def test_a_path_to_idx_files_of_other_names(tmp_path):
    names = ("emnist-train-images.idx3", "emnist-train-labels.idx1", "emnist-test-images.idx3")
    write(tmp_path / "set", dict(zip(names, SET.values(), strict=False)))
    (tmp_path / "set" / "emnist-test-labels.idx1").write_bytes(SET["t10k-labels-idx1-ubyte"])
    data = open_dataset(tmp_path / "set")
    assert data.name == "set"
    check_mnist(data)


def test_idx_pictures_alone_have_no_labels_and_a_fifth_is_held_out(tmp_path):
    write(tmp_path, {"train-images-idx3-ubyte": SET["train-images-idx3-ubyte"]})
    data = open_dataset(f"mnist={tmp_path}", size=3)
    assert (len(data.train), len(data.test)) == (16, 4)
    assert data.train.labels is None and data.classes == () and data.data_shape == (1, 3, 3)


def test_pictures_with_names_like_idx_files_are_pictures(tmp_path):
    pictures(tmp_path, "train-idx3.png", "test-idx1.png", "ubyte.png")
    assert open_dataset(tmp_path).data_shape == (3, 4, 5)


def pictures(folder: Path, *names: str) -> None:
    for level, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5, 3), level, np.uint8)).save(folder / name)


def test_folders_are_classes(tmp_path):
    pictures(tmp_path, *(f"{top}/{n}.png" for top in ("b", "a", "c/deep") for n in range(4)))
    data = open_dataset(str(tmp_path))
    assert data.name == tmp_path.name and data.classes == ("a", "b", "c")
    assert (len(data.train), len(data.test)) == (9, 3) and data.data_shape == (3, 4, 5)
    for part in (data.train, data.test):
        assert part.labels is not None
        # levels 0 .. 3 were written into b, 4 .. 7 into a, 8 .. 11 into c
        made = torch.tensor([1, 0, 2])[part.x[:, 0, 0, 0].long() // 4]
        assert torch.equal(part.labels, made)


def test_a_flat_folder_has_no_labels(tmp_path):
    pictures(tmp_path, *(f"{n}.png" for n in range(10)))
    data = open_dataset(tmp_path, size=2)
    assert data.train.labels is None and data.classes == ()
    levels = torch.cat([data.train.x, data.test.x])[:, 0, 0, 0].sort().values
    assert levels.tolist() == list(range(10)) and data.data_shape == (3, 2, 2)


@pytest.mark.parametrize("held", ["test", "val"])
def test_two_folders_are_parts(tmp_path, held):
    names = [f"{part}/{top}/{n}.png" for part in ("train", held) for top in "xy" for n in "12"]
    pictures(tmp_path, *names, ".thumbnails/x/1.png")
    data = open_dataset(tmp_path)
    assert data.classes == ("x", "y")
    assert data.train.x[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert data.test.x[:, 0, 0, 0].tolist() == [4, 5, 6, 7]
    assert data.test.labels is not None and data.test.labels.tolist() == [0, 0, 1, 1]


def test_arrays_of_vectors(tmp_path):
    x = np.arange(20, dtype=np.float16).reshape(10, 2)
    np.save(tmp_path / "rows.npy", x)
    data = open_dataset(tmp_path / "rows.npy")
    assert data.name == "rows" and data.data_shape == (2,) and data.train.levels is None
    assert data.train.x.dtype == torch.float32
    both = torch.cat([data.train.x, data.test.x])
    np.testing.assert_array_equal(np.sort(both.numpy(), axis=0), x)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_labels_of_an_npz(tmp_path, dtype):
    x = np.random.default_rng(0).integers(0, 256, (25, 4, 4), dtype=np.uint8)
    labels = x[:, 0, 0] % 5
    np.savez(tmp_path / "set.npz", images=x, labels=labels.astype(dtype))
    data = open_dataset(str(tmp_path / "set.npz"))
    assert data.classes == tuple("01234") and data.data_shape == (1, 4, 4)
    for part in (data.train, data.test):
        assert part.labels is not None and part.labels.dtype == torch.int64
        assert torch.equal(part.labels, part.x[:, 0, 0, 0].long() % 5)


def test_mixtures_are_vectors_without_end():
    data = open_dataset("ring8")
    ring = mixture("ring8")
    assert data.name == "ring8" and data.data_shape == (2,) and data.train.labels is None
    assert (len(data.train), len(data.test)) == (4000, 1000)
    for part in (data.train.x, data.test.x, next(data.batches(batch_size=5000, seed=1)).x):
        nearest = torch.cdist(part.double(), ring.means).min(dim=1).values
        assert part.dtype == torch.float32
        # Rayleigh: mean sigma sqrt(pi / 2), deviation .655 sigma; five of its standard error
        error = 5 * 0.655 * ring.sigma / len(part) ** 0.5
        assert nearest.mean() == pytest.approx(ring.sigma * 1.2533, abs=error)
    a, b = (next(data.batches(batch_size=9, seed=s)).x for s in (1, 2))
    assert not torch.equal(a, b)
    assert points(ring).fresh is not None


def test_digits_can_be_resized():
    assert open_dataset("digits").data_shape == (1, 8, 8)
    assert open_dataset("digits", size=28).data_shape == (1, 28, 28)


def test_every_name_of_the_catalog_opens_or_says_what_it_needs():
    for name in CATALOG:
        if name in ON_DISK:
            with pytest.raises(InputError, match=f"data: {name} lies on your disk: .* {name}=FOLD"):
                open_dataset(name)
        elif name in DATASETS or name in MIXTURES:
            data = open_dataset(name)
            assert data.name == name
            assert next(data.batches(batch_size=2, seed=0)).x.shape == (2, *data.data_shape)
        else:
            with pytest.raises(InputError, match=f"data: {name} is for genbench study alone"):
                open_dataset(name)


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        (3, {}, "data: must be a name or a path, got 3"),
        ("digits", {"size": 0}, "size: must be 4 to 256 pixels for digits, got 0"),
        ("digit", {}, "data: unknown name 'digit'; did you mean 'digits'"),
        ("", {}, "data: unknown name ''"),
        ("mnist=", {}, "data: mnist lies on your disk"),
        ("mnist=gone", {}, "data: gone must be a folder of IDX files"),
        ("gone.npy", {}, "data: gone.npy cannot be read: No such file"),
        ("gone/folder", {}, "data: gone/folder cannot be read: No such file"),
        ("cifar10=.", {"size": 0}, "size: must be 1 to 8192 pixels, got 0 for data"),
        ("ring8", {"size": 8}, "size: ring8 has no pictures, got 8"),
        ("digits", {"download": True}, "download: only mnist, cifar10, cifar100 can be fetched"),
    ],
)
def test_what_cannot_be_opened(name, options, line):
    with pytest.raises(InputError) as caught:
        open_dataset(name, **options)
    assert line in str(caught.value)


def test_one_picture_is_not_a_folder(tmp_path):
    (tmp_path / "a.png").write_bytes(png(4, 4))
    with pytest.raises(InputError, match="name the folder of the picture"):
        open_dataset(tmp_path / "a.png")
