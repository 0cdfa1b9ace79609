"""Affine coupling layers. Dinh, Sohl-Dickstein, Bengio 2016, arXiv 1605.08803, section 3."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.nets.mlp import MLP

# Of one layer: where no data were, unbounded scales send points off to densities of e^-10000.
LOG_SCALE = 2.0


class AffineCoupling(nn.Module):
    """y = b x + (1 - b) (x exp(s(b x)) + t(b x)), b a fixed mask (d,) of zeros and ones.

    s and t come from one multilayer perceptron that begins at zero, so that a new layer is the
    identity. s = LOG_SCALE tanh(raw / LOG_SCALE), close to linear up to a factor of e.
    """

    mask: Tensor  # (d,)

    def __init__(self, mask: Tensor, *, width: int, depth: int) -> None:
        super().__init__()
        d = len(mask)
        self.register_buffer("mask", mask.to(torch.get_default_dtype()), persistent=False)
        self.network = MLP((d,), (2, d), width=width, depth=depth)
        last = self.network.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, d) -> y (n, d) and log |det dy/dx| (n,)."""
        s, t = self._scale_and_shift(x)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """y (n, d) -> x (n, d)."""
        s, t = self._scale_and_shift(y)  # the part that b keeps is the same in x and y
        return (y - t) * (-s).exp()

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """s and t (n, d), zero where b is one."""
        raw, t = self.network(self.mask * x).unbind(1)
        free = 1 - self.mask
        return free * LOG_SCALE * (raw / LOG_SCALE).tanh(), free * t


def checkerboard(data_shape: Sequence[int]) -> Tensor:
    """(prod(data_shape),) of zeros and ones: neighbours differ along every axis."""
    numbers = torch.arange(math.prod(data_shape))
    places = torch.unravel_index(numbers, tuple(data_shape))
    return torch.stack(places).sum(0) % 2
