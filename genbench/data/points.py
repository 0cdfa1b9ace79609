"""Points of a mixture as data to train on, drawn fresh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.data.datasets import Dataset
from genbench.data.mixtures import Mixture
from genbench.data.seeded import MixtureSource
from genbench.data.splits import Split

_TRAIN, _TEST = (4000, 1), (1000, 2)  # rows and seed


@dataclass(frozen=True)
class Points:
    """Draws points (n, D) float32; tensors: the source's, where seeds are."""

    source: MixtureSource
    tensors: Sequence[Tensor]

    def draw(self, n: int, seed: Tensor) -> Split:
        """n points, computed in float64."""
        return Split(self.source.draw(n, seed, self.tensors).float())

    def to(self, device: torch.device | str) -> Points:
        """The same, for seeds on another device."""
        return Points(self.source, [tensor.to(device) for tensor in self.tensors])


def points(mixture: Mixture) -> Dataset:
    """Vectors (D,) without end, and without labels; 4,000 and 1,000 held out stay the same."""
    source = MixtureSource(mixture)
    fresh = Points(source, source.tensors)
    train, test = (fresh.draw(n, torch.tensor([seed])) for n, seed in (_TRAIN, _TEST))
    return Dataset(mixture.name, train, test, fresh=fresh)
