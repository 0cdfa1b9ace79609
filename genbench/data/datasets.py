"""Data to train on: a part to learn from, a part held out, and endless batches of the first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.data.batches import Batches, Draws, Epochs, Fresh
from genbench.data.splits import Split
from genbench.errors import InputError

__all__ = [
    "Batches",
    "Dataset",
    "Draws",
    "Epochs",
    "Fresh",
    "Split",
    "check_drawn_size",
    "hold_out",
]

_SPLIT_SEED, _HELD_OUT = 0, 5  # as the `digits` features: every fifth of a fixed permutation


@dataclass(frozen=True)
class Dataset:
    """Training rows, rows held out, and the names of classes where there are labels.

    fresh: where there are training rows without end, what draws them; `train` then holds some.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...] = ()
    fresh: Fresh | None = None

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Of one row."""
        return self.train.data_shape

    @property
    def nbytes(self) -> int:
        """Bytes of both splits."""
        return self.train.nbytes + self.test.nbytes

    def to(self, device: torch.device | str) -> Dataset:
        """The same data on another device."""
        fresh = None if self.fresh is None else self.fresh.to(device)
        return Dataset(self.name, self.train.to(device), self.test.to(device), self.classes, fresh)

    def batches(
        self,
        *,
        batch_size: int,
        seed: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> Batches:
        """Endless batches to train on: drawn fresh where the data can be, else epochs of `train`.

        seed: any int. device: where batches go; None: where the rows lie. The same seed gives the
        same rows in the same order on every device.
        """
        device = self.train.x.device if device is None else device
        if self.fresh is None:
            return Epochs(self.train, batch_size=batch_size, seed=seed, dtype=dtype, device=device)
        return Draws(self.fresh, batch_size=batch_size, seed=seed, dtype=dtype, device=device)


def hold_out(name: str, rows: Split, classes: tuple[str, ...] = ()) -> Dataset:
    """`rows` as a data set: every fifth of a fixed permutation is held out.

    Raises InputError for fewer than two rows, which cannot be divided.
    """
    if len(rows) < 2:
        raise InputError(
            f"data: {name} must hold at least 2 rows, one of them held out, got {len(rows)}"
        )
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    held = torch.arange(len(rows)) % _HELD_OUT == 0
    train, test = (_select(rows, part) for part in (order[~held], order[held]))
    return Dataset(name, train, test, classes)


def check_drawn_size(size: int, low: int, high: int, *, name: str) -> None:
    """Raise InputError for a side of pictures, in pixels, outside low .. high."""
    if type(size) is not int or not low <= size <= high:
        raise InputError(f"size: must be {low} to {high} pixels for {name}, got {size!r}")


def _select(split: Split, rows: Tensor) -> Split:
    kept = (None if t is None else t[rows] for t in (split.labels, split.condition))
    captions = split.captions
    texts = None if captions is None else tuple(captions[row] for row in rows.tolist())
    return Split(split.x[rows], *kept, captions=texts, levels=split.levels)
