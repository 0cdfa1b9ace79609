"""Stacked digits: which digits, how they are drawn, and a user's IDX files."""

import gzip
import struct

import numpy as np
import pytest
import torch
from train_digits import digits, split

from genbench.data.stacked import StackedDigits, held_out_digits, read_mnist
from genbench.errors import InputError

NAMES = {
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}


def small(n=40, side=6, seed=0):
    """Digits whose class shows in every pixel: 20 times it."""
    labels = torch.arange(n) % 10
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randint(5, (n, side, side), generator=rng)
    return StackedDigits((20 * labels[:, None, None] + noise).to(torch.uint8), labels)


def idx(array, packed=False):
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    content = head + array.tobytes()
    return gzip.compress(content) if packed else content


def write_mnist(folder, train, test, packed=False):
    for part, found in (("train", train), ("t10k", test)):
        for kind, array in (("images-idx3", found.images), ("labels-idx1", found.labels)):
            name = f"{part}-{kind}-ubyte{'.gz' if packed else ''}"
            (folder / name).write_bytes(idx(array.numpy().astype(np.uint8), packed))
    return folder


def test_digits_are_those_that_the_classifier_never_saw():
    images, labels = digits()
    _, held = split(len(images))
    found = held_out_digits()
    assert torch.equal(found.images, images[held]) and torch.equal(found.labels, labels[held])
    assert found.shape == (3, 8, 8) and len(found.labels) == 360


def test_samples_are_three_images_in_minus_one_to_one():
    found = small()
    x = found.sample(50, torch.Generator().manual_seed(1))
    picked = found.pick(50, torch.Generator().manual_seed(1))
    assert x.shape == (50, 3, 6, 6) and x.dtype == torch.float64
    again = ((x + 1) * 127.5).round().to(torch.uint8)
    assert torch.equal(again[:, 1], found.images[picked[:, 1]])
    assert x.min() >= -1 and x.max() <= 1


def test_classes_weigh_alike_whatever_the_files_hold():
    # class 0 has 91 images, the others one each
    labels = torch.cat([torch.zeros(90), torch.arange(10)]).long()
    found = StackedDigits(torch.zeros(100, 2, 2, dtype=torch.uint8), labels)
    picked = found.pick(20_000, torch.Generator().manual_seed(2))
    counts = torch.bincount(labels[picked].flatten(), minlength=10)
    # 60,000 draws over ten classes: 6,000 each, deviation 73
    assert (counts - 6_000).abs().max() < 5 * 74
    assert len(picked.unique()) == 100  # every image of class 0 among them
    # channels are independent: all triples come, 20 times each on average
    triples = (labels[picked] * torch.tensor([100, 10, 1])).sum(dim=1)
    assert len(triples.unique()) == 1000


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_come_back(tmp_path, packed):
    train, test = small(60), small(20, seed=1)
    write_mnist(tmp_path, train, test, packed)
    for part, expected in (("train", train), ("test", test)):
        found = read_mnist(tmp_path, part)
        assert torch.equal(found.images, expected.images)
        assert torch.equal(found.labels, expected.labels)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train-images-idx3-ubyte", None, "must be a folder that holds train-images-idx3-ubyte or"),
        ("train-labels-idx1-ubyte", None, "must be a folder that holds train-labels-idx1-ubyte or"),
        ("train-images-idx3-ubyte", b"", "is no IDX file"),
        ("train-images-idx3-ubyte", idx(np.zeros((40, 6, 6), "u1"))[:-9], "is truncated"),
        ("train-labels-idx1-ubyte", idx(np.zeros((40, 6, 6), "u1")), "of 1 axes, got uint8 (40, 6"),
        ("train-images-idx3-ubyte", idx(np.zeros(40, "u1")), "of 3 axes, got uint8 (40,)"),
        (
            "train-labels-idx1-ubyte",
            idx(np.arange(39, dtype="u1") % 10),
            "must be uint8 (39, H, W)",
        ),
        ("train-labels-idx1-ubyte", idx(np.zeros(40, "u1")), "must be all of 0 to 9, got [0]"),
        ("train-labels-idx1-ubyte", idx(np.arange(40, dtype="u1") % 11), "9, 10]"),
    ],
)
def test_bad_files_are_one_line(tmp_path, name, content, words):
    write_mnist(tmp_path, small(), small())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_mnist(tmp_path, "train")
    line = str(caught.value)
    assert line.startswith("data: ") and words in line and "\n" not in line


def test_the_digest_sees_images_and_labels():
    other = StackedDigits(small().images, (small().labels + 1) % 10)
    assert len({small().digest, small(seed=1).digest, other.digest}) == 3
    assert small().digest == small().digest
