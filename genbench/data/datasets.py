"""Data to train on: splits held in memory, as pictures in [-1, 1] or vectors, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genbench.catalog import look_up
from genbench.errors import InputError
from genbench.protocol import Examples

__all__ = ["Dataset", "Epochs", "Split", "open_dataset"]


@dataclass(frozen=True)
class Split:
    """Rows of one part of a data set.

    x: (N, C, H, W) uint8 levels 0 .. levels - 1, or (N, d) floating. labels: int64 (N,).
    condition: floating, N rows. captions: a text for each row. levels: of pictures, else None.
    """

    x: Tensor
    labels: Tensor | None = None
    condition: Tensor | None = None
    captions: tuple[str, ...] | None = None
    levels: int | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Of one row."""
        return tuple(self.x.shape[1:])

    def take(self, rows: Tensor | slice, dtype: torch.dtype = torch.float32) -> Examples:
        """Those rows as models see them: levels become numbers in [-1, 1]."""
        x = self.x[rows]
        if self.levels is not None:
            x = x.to(dtype) * (2 / (self.levels - 1)) - 1
        return Examples(
            x.to(dtype),
            None if self.labels is None else self.labels[rows],
            None if self.condition is None else self.condition[rows].to(dtype),
        )

    def all(self, dtype: torch.dtype = torch.float32) -> Examples:
        """Every row."""
        return self.take(slice(None), dtype)

    def to(self, device: torch.device | str) -> Split:
        """The same rows on another device."""
        held = (None if t is None else t.to(device) for t in (self.labels, self.condition))
        return Split(self.x.to(device), *held, captions=self.captions, levels=self.levels)


@dataclass(frozen=True)
class Dataset:
    """Training rows, rows held out, and the names of classes where there are labels."""

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...] = ()

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Of one row."""
        return self.train.data_shape


class Epochs(Iterator[Examples]):
    """Endless batches of a split: every row once an epoch, in an order drawn from seed and epoch.

    A batch that an epoch cannot fill goes on into the next, so that all have `batch_size` rows.
    Rows stay on the split's device. The position is all that a checkpoint needs.
    """

    def __init__(
        self, split: Split, *, batch_size: int, seed: int, dtype: torch.dtype = torch.float32
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch: must be a whole number of at least 1, got {batch_size}")
        self._split, self._batch_size, self._seed, self._dtype = split, batch_size, seed, dtype
        self._position = 0  # rows handed out
        self._order: tuple[int, Tensor] | None = None

    def __next__(self) -> Examples:
        count, start = len(self._split), self._position
        rows, stop = [], start + self._batch_size
        while start < stop:
            epoch, offset = divmod(start, count)
            taken = min(count - offset, stop - start)
            rows.append(self._permutation(epoch)[offset : offset + taken])
            start += taken
        self._position = stop
        return self._split.take(torch.cat(rows), self._dtype)

    def _permutation(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            # seeds of neighbouring epochs lie far apart
            seed = (self._seed + epoch * 0x9E3779B97F4A7C15) % 2**63
            rng = torch.Generator().manual_seed(seed)
            order = torch.randperm(len(self._split), generator=rng)
            self._order = epoch, order.to(self._split.x.device)
        return self._order[1]

    def state_dict(self) -> dict[str, Any]:
        """{"position": rows handed out}."""
        return {"position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._position = state["position"]


def open_dataset(name: str, *, size: int | None = None) -> Dataset:
    """The data set called `name`; `size`: pixels a side of pictures, where they can be resized.

    Raises InputError for an unknown name.
    """
    from genbench.data import DATASETS

    entry = look_up(DATASETS, name, argument="data")
    options = {} if size is None else {"size": size}
    return entry.load()(**{**entry.preset, **options})
