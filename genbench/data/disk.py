"""A user's own data: arrays in files, and folders of pictures, as torchvision's ImageFolder."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from genbench.data.datasets import Dataset, hold_out
from genbench.data.folders import picture_files
from genbench.data.memory import check_fits
from genbench.data.origin import Origin, printable
from genbench.data.samples import Samples, open_samples
from genbench.data.splits import Split

CLASS_LIMIT = 2**16
_PARTS = (("train", "test"), ("train", "val"))  # folders that are no classes


def array_file(origin: Origin, *, name: str, size: int | None = None) -> Dataset:
    """Rows of an .npy, .npz, .safetensors or IDX file: pictures or vectors; a fifth is held out.

    An array called labels in an .npz becomes labels. Raises InputError for anything else.
    """
    samples = open_samples(origin.path, argument=origin.argument, size=size)
    if samples.kind == "moments":
        raise origin.fault("holds moments, no samples")
    found = samples.extra("labels")
    labels = None if found is None else checked_labels(origin, found)
    return hold_out(name, read_split(origin, samples, labels), numbered(labels))


def picture_folder(origin: Origin, *, name: str, size: int | None = None) -> Dataset:
    """Pictures below a folder; the folders in it are classes, sorted by name.

    Two folders train and test, or train and val, are parts instead, with classes in each. Without
    folders there are no labels; without parts a fifth is held out. Raises InputError for pictures
    beside folders of others, and for parts of other classes or shapes.
    """
    with origin.reading():
        folders = [path.name for path in origin.path.iterdir() if path.is_dir()]
    inside = {name for name in folders if not name.startswith(".")}
    for parts in _PARTS:
        if inside == set(parts):
            train, test = (_labelled(origin.at(origin.path / part), size) for part in parts)
            check_parts(origin, train[0], test[0])
            if train[1] != test[1]:
                raise origin.fault(
                    f"must hold the same classes in {parts[0]} and {parts[1]}, got "
                    f"{_listed(train[1])} and {_listed(test[1])}"
                )
            return Dataset(name, train[0], test[0], train[1])
    rows, classes = _labelled(origin, size)
    return hold_out(name, rows, classes)


def read_split(origin: Origin, samples: Samples, labels: Tensor | None) -> Split:
    """All rows: pictures as 256 levels, features as float32 or 64, which must be finite."""
    values = len(samples) * math.prod(samples.shape)
    check_fits(origin, values * (1 if samples.kind == "images" else 8))
    x = samples.read(0, len(samples))
    if samples.kind == "images":
        return Split(torch.from_numpy(x), labels, levels=256)
    if not np.isfinite(x).all():
        raise origin.fault("must be finite, got NaN or infinity")
    wide = np.promote_types(x.dtype, np.float32)
    return Split(torch.from_numpy(x.astype(wide, copy=False)), labels)


def checked_labels(origin: Origin, labels: np.ndarray) -> Tensor:
    """int64 (N,); raises InputError for anything but whole numbers from 0 to `CLASS_LIMIT` - 1."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise origin.fault(
            f"must hold labels as whole numbers (N,), got {labels.dtype} {labels.shape}"
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= CLASS_LIMIT):
        raise origin.fault(
            f"must hold labels 0 to {CLASS_LIMIT - 1}, got {labels.min()} to {labels.max()}"
        )
    return torch.from_numpy(labels.astype(np.int64))


def numbered(labels: Tensor | None) -> tuple[str, ...]:
    """Classes that have no names but their numbers."""
    return () if labels is None else tuple(map(str, range(int(labels.max()) + 1)))


def check_parts(origin: Origin, train: Split, test: Split) -> None:
    """Raise InputError for parts of which a model could not use both."""
    if train.data_shape != test.data_shape:
        raise origin.fault(
            f"must hold rows of one shape in both parts, got {train.data_shape} to train on and "
            f"{test.data_shape} held out: a size makes pictures equal"
        )
    if (train.labels is None) != (test.labels is None):
        raise origin.fault("must hold labels in both parts or in none")


def _labelled(origin: Origin, size: int | None) -> tuple[Split, tuple[str, ...]]:
    """Every picture below a folder, and the classes that its folders are."""
    samples = open_samples(origin.path, argument=origin.argument, size=size)
    files = [path.relative_to(origin.path) for path in picture_files(origin)]
    tops = [path.parts[0] for path in files if len(path.parts) > 1]
    if not tops:
        return read_split(origin, samples, None), ()
    if len(tops) < len(files):
        alone = next(path for path in files if len(path.parts) == 1)
        raise origin.fault(
            f"must hold all pictures in folders, one for each class, or none, got {alone} beside "
            f"{tops[0]}/"
        )
    classes = sorted(set(tops))
    if len(classes) > CLASS_LIMIT:
        raise origin.fault(f"must hold at most {CLASS_LIMIT} classes, got {len(classes)}")
    number = {top: place for place, top in enumerate(classes)}
    labels = torch.tensor([number[top] for top in tops])
    if len(labels) != len(samples):
        raise origin.fault("changed while it was read")
    return read_split(origin, samples, labels), tuple(map(printable, classes))


def _listed(names: tuple[str, ...]) -> str:
    return (", ".join(names[:4]) + (", ..." if len(names) > 4 else "")) or "none"
