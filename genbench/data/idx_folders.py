"""Folders of IDX files as MNIST, Fashion-MNIST and others come: pictures and labels of two parts.

LeCun, Cortes, Burges, the MNIST database, yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from genbench.data.datasets import Dataset, hold_out
from genbench.data.disk import check_parts, checked_labels, numbered, read_split
from genbench.data.idx import open_idx
from genbench.data.origin import Origin
from genbench.data.samples import open_samples
from genbench.data.splits import Split

_NAMED = re.compile(r"(idx\d|ubyte)(\.gz)?$")
_ROLES = {"train": re.compile("train"), "test": re.compile("t10k|test")}
_KINDS = {"images": re.compile(r"images|idx[34]"), "labels": re.compile("labels|idx1")}
_BELOW = (".", "raw", "MNIST/raw")  # where torchvision puts them


def idx_folder(origin: Origin, *, name: str, size: int | None = None) -> Dataset:
    """Train and t10k (or test), images and labels, packed by gzip or not.

    Without labels there are none; without a test part a fifth is held out. Raises InputError for
    files that are missing, damaged, several of a kind, or not of one length or shape.
    """
    folder = _place(origin)
    files = _files(folder)
    if ("train", "images") not in files:
        raise folder.fault(
            "must hold IDX files such as train-images-idx3-ubyte and t10k-labels-idx1-ubyte, also "
            ".gz, and lacks the pictures to train on"
        )
    parts = {role: _part(folder, files, role, size) for role in _ROLES if (role, "images") in files}
    train = parts["train"]
    if "test" not in parts:
        return hold_out(name, train, numbered(train.labels))
    check_parts(folder, train, parts["test"])
    classes = max((numbered(part.labels) for part in parts.values()), key=len)
    return Dataset(name, train, parts["test"], classes)


def has_idx(origin: Origin) -> bool:
    """Whether a folder is one of these."""
    return bool(_files(_place(origin)))


def _place(origin: Origin) -> Origin:
    """The folder itself, or the one below where the files are."""
    with origin.reading():
        if not origin.path.is_dir():
            raise origin.fault("must be a folder of IDX files")
        for below in _BELOW:
            folder = origin.path / below
            if folder.is_dir() and any(_NAMED.search(path.name) for path in folder.iterdir()):
                return origin.at(folder)
    return origin


def _files(folder: Origin) -> dict[tuple[str, str], Path]:
    """By part and kind; of a file and its .gz, the file."""
    with folder.reading():
        names = sorted(path.name for path in folder.path.iterdir() if _NAMED.search(path.name))
    found: dict[tuple[str, str], str] = {}
    for name in names:  # a name comes before the same with .gz
        for role, kind in ((role, kind) for role in _ROLES for kind in _KINDS):
            if not (_ROLES[role].search(name) and _KINDS[kind].search(name)):
                continue
            first = found.setdefault((role, kind), name)
            if first.removesuffix(".gz") != name.removesuffix(".gz"):
                raise folder.fault(f"must hold one file of {role} {kind}, got {first} and {name}")
    return {key: folder.path / name for key, name in found.items()}


def _part(folder: Origin, files: dict[tuple[str, str], Path], role: str, size: int | None) -> Split:
    origin = folder.at(files[role, "images"])
    samples = open_samples(origin.path, argument=origin.argument, size=size)
    labels = None
    if (role, "labels") in files:
        labels = _labels(folder.at(files[role, "labels"]), len(samples))
    return read_split(origin, samples, labels)


def _labels(origin: Origin, count: int) -> Tensor:
    rows = open_idx(origin)
    if rows.shape != (count,):
        raise origin.fault(f"must hold {count} labels, one for each picture, got {rows.shape}")
    return checked_labels(origin, rows.whole())
