"""Endless seeded batches whose position is part of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor


class Stream(Iterator[Tensor]):
    """Draws batch after batch from `sample(n, rng)`, divided by `scale`.

    Each batch is (batch_size, *data_shape) of `dtype` on `device`. The state is the generator's, so
    a stream restored from `state_dict` goes on with the same batches.
    """

    def __init__(
        self,
        sample: Callable[[int, torch.Generator], Tensor],
        *,
        batch_size: int,
        seed: int,
        scale: float = 1.0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._sample = sample
        self._batch_size = batch_size
        self._scale = scale
        self._dtype = dtype
        self._device = device
        self._rng = torch.Generator().manual_seed(seed)

    def __next__(self) -> Tensor:
        x = self._sample(self._batch_size, self._rng) / self._scale
        return x.to(device=self._device, dtype=self._dtype)

    def state_dict(self) -> dict[str, Any]:
        """{"rng": the generator's state, uint8}."""
        return {"rng": self._rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._rng.set_state(state["rng"])


def resample(points: Tensor) -> Callable[[int, torch.Generator], Tensor]:
    """A `sample(n, rng)` for a Stream: n rows of points (N, ...), drawn with replacement."""

    def sample(n: int, rng: torch.Generator) -> Tensor:
        return points[torch.randint(len(points), (n,), generator=rng)]

    return sample
