"""Networks that predict the noise in x_t: a multilayer perceptron, and which one to take when."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from genbench.nets.embed import PlaceEmbedding, TimeEmbedding
from genbench.nets.unet import UNet


class DenoisingMLP(nn.Module):
    """x (n, *shape), t int64 (n,) -> noise (n, *shape): residual layers that hear the time."""

    def __init__(self, shape: Sequence[int], *, width: int, depth: int) -> None:
        super().__init__()
        self.shape, d = tuple(shape), math.prod(shape)
        self.place, self.time = PlaceEmbedding(d), TimeEmbedding(width)
        self.first = nn.Linear(self.place.width, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.last = nn.Linear(width, d)
        self.act = nn.SiLU()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        time = self.time(t)  # (n, width)
        h = self.first(self.place(x.flatten(1)))
        for layer in self.hidden:
            h = h + layer(self.act(h + time))
        return self.last(self.act(h)).unflatten(1, self.shape)


def make_denoiser(data_shape: Sequence[int], *, width: int, depth: int) -> nn.Module:
    """A U-Net for pictures (C, H, W), a multilayer perceptron for all else."""
    kind = UNet if len(data_shape) == 3 else DenoisingMLP
    return kind(data_shape, width=width, depth=depth)
