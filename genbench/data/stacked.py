"""Stacked digits: three grey digits as the channels of one image, 1000 modes.

Metz et al. 2016 (arXiv 1611.02163) with MNIST. Here classes are drawn evenly, so that all thousand
triples weigh the same whatever the files hold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genbench.data.idx import open_idx
from genbench.data.origin import Origin
from genbench.errors import InputError

CLASSES = 10
_SPLIT_SEED, _HELD_OUT = 0, 5  # tools/train_digits.py: every fifth of a fixed permutation
_FILES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True, eq=False)
class StackedDigits:
    """Images (N, H, W) uint8, light ink on dark ground, and labels (N,) int64 in 0..9.

    Raises InputError where shapes, types or labels are others, or a class has no image.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        n, shape = len(self.labels), tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or len(shape) != 3 or shape[0] != n:
            raise InputError(f"images: must be uint8 ({n}, H, W), got {self.images.dtype} {shape}")
        if sorted(set(self.labels.tolist())) != list(range(CLASSES)):
            raise InputError(
                f"labels: must be all of 0 to 9, got {sorted(set(self.labels.tolist()))}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(3, H, W) of a sample."""
        return (3, self.images.shape[1], self.images.shape[2])

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of images and labels."""
        sha = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        sha.update(self.images.contiguous().numpy().tobytes())
        sha.update(self.labels.contiguous().numpy().tobytes())
        return sha.hexdigest()

    def pick(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, 3) numbers of images: classes evenly, then one of the class's images evenly."""
        order = self.labels.argsort(stable=True)
        counts = torch.bincount(self.labels, minlength=CLASSES)
        first = counts.cumsum(0) - counts
        classes = torch.randint(CLASSES, (n, 3), generator=rng)
        place = torch.rand(n, 3, generator=rng, dtype=torch.float64) * counts[classes]
        return order[first[classes] + place.long()]

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, 3, H, W) float64 in [-1, 1], drawn on the CPU."""
        return self.images[self.pick(n, rng)].double() / 127.5 - 1


def held_out_digits() -> StackedDigits:
    """The 360 of scikit-learn's 1,797 digits, 8 x 8, that the `digits` classifier never saw."""
    from sklearn.datasets import load_digits

    ink, labels = load_digits(return_X_y=True)  # (N, 64) of 0..16
    images = np.rint(np.asarray(ink) * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    held = order[::_HELD_OUT]
    return StackedDigits(
        torch.from_numpy(images)[held], torch.from_numpy(np.asarray(labels)).long()[held]
    )


def read_mnist(folder: Path, part: str) -> StackedDigits:
    """Part "train" or "test" of a folder of IDX files as MNIST comes, packed by gzip or not.

    Raises InputError, one line that begins with "data", for files that are missing or damaged.
    """
    stem = _FILES[part]
    images = _read(folder, f"{stem}-images-idx3-ubyte", axes=3)
    labels = _read(folder, f"{stem}-labels-idx1-ubyte", axes=1)
    try:
        return StackedDigits(torch.from_numpy(images), torch.from_numpy(labels).long())
    except InputError as error:
        raise Origin("data", folder).fault(f"does not hold digits: {stem}-{error}") from error


def _read(folder: Path, name: str, *, axes: int) -> np.ndarray:
    found = [path for end in ("", ".gz") if (path := folder / f"{name}{end}").is_file()]
    if not found:
        raise Origin("data", folder).fault(f"must be a folder that holds {name} or {name}.gz")
    origin = Origin("data", found[0])
    rows = open_idx(origin)
    if len(rows.shape) != axes or rows.dtype != np.uint8:
        raise origin.fault(
            f"must hold unsigned bytes of {axes} axes, got {rows.dtype} {rows.shape}"
        )
    return rows.whole()
