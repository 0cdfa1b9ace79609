"""Endless batches of examples whose position is part of a checkpoint: epochs, or drawn fresh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from genbench.data.splits import Split
from genbench.errors import InputError
from genbench.ops.noise import fold_seeds
from genbench.protocol import Examples


class Fresh(Protocol):
    """Data without end: drawn anew from a seed."""

    def draw(self, n: int, seed: Tensor) -> Split:
        """n rows that are a function of `seed`, int64 (1,), on the seed's device."""
        ...

    def to(self, device: torch.device | str) -> Fresh:
        """The same, for seeds on another device."""
        ...


class Batches(Protocol):
    """Endless batches of examples whose position can be saved."""

    def __next__(self) -> Examples: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Draws(Iterator[Examples]):
    """Endless batches that nobody has seen: batch p is a function of (seed, p) alone."""

    def __init__(
        self,
        fresh: Fresh,
        *,
        batch_size: int,
        seed: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        _check_batch(batch_size)
        self._fresh, self._batch_size, self._dtype = fresh.to(device), batch_size, dtype
        self._seed, self._device = seed, device
        self._position = 0  # batches handed out

    def __next__(self) -> Examples:
        seed = fold_seeds(self._seed, self._position, 1)[0].to(self._device)
        self._position += 1
        return self._fresh.draw(self._batch_size, seed).all(self._dtype)

    def state_dict(self) -> dict[str, Any]:
        """{"position": batches handed out}."""
        return {"position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._position = state["position"]


class Epochs(Iterator[Examples]):
    """Endless batches of a split: every row once an epoch, in an order drawn from seed and epoch.

    A batch that an epoch cannot fill goes on into the next, so that all have `batch_size` rows.
    Batches come to `device`, by default the split's. The position is all that a checkpoint needs.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        _check_batch(batch_size)
        if not len(split):
            raise InputError("data: must hold at least one row to train on, got none")
        self._split, self._batch_size, self._seed, self._dtype = split, batch_size, seed, dtype
        self._device = split.x.device if device is None else device
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
        found = self._split.take(torch.cat(rows), self._dtype)
        return found.filled([tensor.to(self._device) for tensor in found.tensors()])

    def _permutation(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            # seeds of neighbouring epochs lie far apart
            seed = (self._seed + epoch * 0x9E3779B97F4A7C15) % 2**63
            # drawn on the CPU: the same order wherever the rows lie
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


def _check_batch(batch_size: int) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch: must be a whole number of at least 1, got {batch_size!r}")
