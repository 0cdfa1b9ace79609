"""Batches that are a function of a seed and a position alone, drawn on the device that trains.

A source draws by `genbench.ops`' counter-based noise from tensors that it is given, so the same
lines run eagerly, in a traced step, and for many seeds at once under torch.func.vmap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from genbench import ops
from genbench.data.mixtures import Mixture
from genbench.data.stacked import CLASSES, StackedDigits
from genbench.ops.noise import fold_seeds


class Source(Protocol):
    """What a SeededStream draws from.

    tensors: all that `draw` reads. shared: whether they are the same for every seed of a study.
    """

    tensors: tuple[Tensor, ...]
    shared: bool

    def draw(self, n: int, seed: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        """(n, ...) from `tensors`, which are `self.tensors` on another device or of another float
        dtype; seed: int64 (1,) there."""
        ...


class MixtureSource:
    """Fresh points of a mixture, (n, D)."""

    shared = True

    def __init__(self, mixture: Mixture) -> None:
        basis = () if mixture.basis is None else (mixture.basis,)
        self.tensors = (mixture.means, *basis)
        self._sigma, self._dimensions = mixture.sigma, mixture.dimensions

    def draw(self, n: int, seed: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        """A mode for each point, evenly, and its noise."""
        means, *basis = tensors
        modes = _below(len(means), ops.uniform(n, seed=seed, dtype=torch.float64))
        shape = (n, self._dimensions)
        noise = self._sigma * ops.normal(shape, seed=seed, stream=1, dtype=means.dtype)
        return means[modes] + (noise @ basis[0].T if basis else noise)


class RowSource:
    """Rows of a fixed set (N, ...), drawn with replacement. shared: False for a seed's own set."""

    def __init__(self, rows: Tensor, *, shared: bool = True) -> None:
        self.tensors, self.shared = (rows,), shared

    def draw(self, n: int, seed: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        """Every row as likely as any other."""
        (rows,) = tensors
        return rows[_below(len(rows), ops.uniform(n, seed=seed, dtype=torch.float64))]


class DigitSource:
    """Three digits as channels, (n, 3, H, W) in [-1, 1]: classes evenly, as `StackedDigits`."""

    shared = True

    def __init__(self, digits: StackedDigits) -> None:
        order = digits.labels.argsort(stable=True)
        counts = torch.bincount(digits.labels, minlength=CLASSES)
        self.tensors = (digits.images[order], counts.cumsum(0) - counts, counts)

    def draw(self, n: int, seed: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        """A class for each channel, then one of the class's images evenly."""
        images, first, counts = tensors
        u = ops.uniform((2, n, 3), seed=seed, dtype=torch.float64)
        classes = _below(CLASSES, u[0])
        picked = images[first[classes] + _below(counts[classes], u[1])]
        return picked.double() / 127.5 - 1


def _below(count: int | Tensor, u: Tensor) -> Tensor:
    """Whole numbers in [0, count) of uniform u: each within 2^-32 of as likely as the others."""
    return (u * count).long()


class SeededStream(Iterator[Tensor]):
    """Batches (batch_size, *data_shape) of `dtype` on `device`: those of `source`, over `scale`.

    seed: any int64. Batch p is a function of (seed, p) alone, and so is the state.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        seed: int,
        scale: float = 1.0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.source, self.batch_size, self.scale, self.dtype = source, batch_size, scale, dtype
        self._device = torch.device(device)
        self._seed, self._position = seed, 0
        self._placed: tuple[Tensor, ...] | None = None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The source's tensors on the device, floating ones of `dtype`; copied when first used."""
        if self._placed is None:
            self._placed = tuple(
                tensor.to(self._device, self.dtype if tensor.is_floating_point() else None)
                for tensor in self.source.tensors
            )
        return self._placed

    def draw(self, seed: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        """The batch of a seed, int64 (1,) on the device; tensors: like `self.tensors`."""
        x = self.source.draw(self.batch_size, seed, tensors)
        return x.to(self.dtype) / self.scale

    def seeds(self, count: int) -> Tensor:
        """int64 (count, 1) on the CPU: the seeds of the next batches, which count as drawn."""
        first, self._position = self._position, self._position + count
        return fold_seeds(self._seed, first, count)

    def __next__(self) -> Tensor:
        return self.draw(self.seeds(1)[0].to(self._device), self.tensors)

    def state_dict(self) -> dict[str, Any]:
        """{"seed", "position": the number of batches drawn}."""
        return {"seed": self._seed, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._seed, self._position = state["seed"], state["position"]
