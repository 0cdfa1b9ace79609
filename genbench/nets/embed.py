"""Numbers as vectors of sines: the time of a diffusion step, places on the plane.

Vaswani et al. 2017, arXiv 1706.03762, section 3.5; as the time of a step in Ho et al. 2020.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoids(t: Tensor, width: int, *, longest: float = 10_000.0) -> Tensor:
    """t (n,), any dtype -> (n, width): cosines, then sines, of t over periods 2 pi .. 2 pi longest.

    width: even.
    """
    half = width // 2
    share = torch.arange(half, device=t.device) / max(half - 1, 1)
    angles = t[:, None].to(share.dtype) * torch.exp(-math.log(longest) * share)  # (n, half)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class TimeEmbedding(nn.Module):
    """Steps t (n,) of int64 -> (n, width), by two linear layers on `frequencies` sinusoids."""

    def __init__(self, width: int, *, frequencies: int = 64) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.first, self.last = nn.Linear(frequencies, width), nn.Linear(width, width)

    def forward(self, t: Tensor) -> Tensor:
        waves = sinusoids(t, self.frequencies).to(self.first.weight)
        return self.last(nn.functional.silu(self.first(waves)))


class PlaceEmbedding(nn.Module):
    """Numbers x (n, d) near 1 -> (n, d (1 + 2 octaves)): x, cos(2^j x) and sin(2^j x).

    A network of x alone learns fine detail last (Tancik et al. 2020, arXiv 2006.10739).
    """

    scales: Tensor  # (octaves,)

    def __init__(self, d: int, *, octaves: int = 6) -> None:
        super().__init__()
        scales = 2.0 ** torch.arange(octaves)
        self.register_buffer("scales", scales.to(torch.get_default_dtype()), persistent=False)
        self.width = d * (1 + 2 * octaves)

    def forward(self, x: Tensor) -> Tensor:
        angles = (x[:, :, None] * self.scales).flatten(1)  # (n, d octaves)
        return torch.cat([x, angles.cos(), angles.sin()], dim=1)
