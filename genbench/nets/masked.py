"""Causal convolutions over grids of codes or pixels. van den Oord et al. 2016, arXiv 1606.05328.

Gated PixelCNN (section 2): a vertical stack sees all rows above, a horizontal one what lies to the
left in its row, so that no earlier position is missed. Kernels are cut where a mask would be zero.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def _gated(x: Tensor) -> Tensor:
    """tanh(a) sigmoid(b) of the two halves of the channels, equation 2."""
    a, b = x.chunk(2, 1)
    return a.tanh() * b.sigmoid()


class CausalLayer(nn.Module):
    """vertical, horizontal, condition -> vertical, horizontal, all (n, width, height, columns).

    The vertical output at row i sees rows up to i, all columns within reach; it enters the
    horizontal stack a row later. first: the horizontal stack sees what is left of its position, and
    not the position itself (mask A); later layers see it too (mask B), and add their input.
    """

    def __init__(self, width: int, *, reach: int = 1, first: bool = False) -> None:
        super().__init__()
        self.reach, self.first = reach, first
        self.vertical = nn.Conv2d(width, 2 * width, (reach + 1, 2 * reach + 1))
        self.horizontal = nn.Conv2d(width, 2 * width, (1, reach if first else reach + 1))
        self.across = nn.Conv2d(2 * width, 2 * width, 1)
        self.condition = nn.Conv2d(width, 2 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, v: Tensor, h: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        reach, shared = self.reach, self.condition(condition)
        v = self.vertical(F.pad(v, (reach, reach, reach, 0)))  # left, right, above, below
        above = F.pad(v, (0, 0, 1, 0))[:, :, :-1]  # the row before
        left = F.pad(h, (reach, 0))
        here = self.horizontal(left[..., :-1] if self.first else left)
        new = self.out(_gated(here + self.across(above) + shared))
        return _gated(v + shared), new if self.first else h + new


class CausalGrid(nn.Module):
    """x, condition (n, width, height, columns) -> logits (n, classes, height, columns).

    The logits of a position depend on x at positions before it in reading order alone, and on the
    condition there and at those positions. `depth` layers of `reach` see depth * reach columns.
    """

    def __init__(self, width: int, classes: int, *, depth: int, reach: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            CausalLayer(width, reach=reach, first=i == 0) for i in range(depth)
        )
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(width, classes, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        v = h = x
        for layer in self.layers:
            v, h = layer(v, h, condition)
        return self.head(h)
