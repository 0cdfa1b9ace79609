"""A small U-Net that hears the time. Ronneberger 2015; as in Ho et al. 2020, arXiv 2006.11239."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.nets.embed import TimeEmbedding


class ResidualBlock(nn.Module):
    """x (n, channels_in, H, W), time (n, width) -> (n, channels_out, H, W)."""

    def __init__(self, channels_in: int, channels_out: int, *, time_width: int) -> None:
        super().__init__()
        self.before = nn.Sequential(_norm(channels_in), nn.SiLU(), _conv(channels_in, channels_out))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time_width, channels_out))
        self.after = nn.Sequential(
            _norm(channels_out), nn.SiLU(), _zeroed(_conv(channels_out, channels_out))
        )
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.before(x) + self.time(time)[:, :, None, None]
        return self.skip(x) + self.after(h)


class PixelAttention(nn.Module):
    """One head of self-attention over all places of x (n, channels, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.out = _zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        places = self.project(self.norm(x)).flatten(2).transpose(1, 2)  # (n, H W, 3 channels)
        q, k, v = places.chunk(3, dim=2)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)  # (n, H W, channels)
        return x + self.out(mixed.transpose(1, 2).unflatten(2, x.shape[2:]))


class UNet(nn.Module):
    """Pictures x (n, C, H, W), t int64 (n,) -> (n, C, H, W).

    width: channels of the finest grid, twice as many on all coarser ones. depth: how often the grid
    is halved, rounding up. A residual block on each grid down and up; attention on the coarsest.
    """

    def __init__(self, shape: Sequence[int], *, width: int, depth: int) -> None:
        super().__init__()
        time_width = 4 * width
        planes = [width, *[2 * width] * depth]
        blocks = {"time_width": time_width}
        self.time = TimeEmbedding(time_width)
        self.first = _conv(shape[0], width)
        self.down = nn.ModuleList()
        for finer, here in zip([width, *planes], planes, strict=False):
            self.down.append(ResidualBlock(finer, here, **blocks))
        self.halve = nn.ModuleList(
            [nn.Conv2d(channels, channels, 3, stride=2, padding=1) for channels in planes[:-1]]
        )
        self.attention = PixelAttention(planes[-1])
        self.middle = ResidualBlock(planes[-1], planes[-1], **blocks)
        self.up = nn.ModuleList()
        for here, coarser in zip(reversed(planes), [planes[-1], *reversed(planes)], strict=False):
            self.up.append(ResidualBlock(coarser + here, here, **blocks))
        self.last = nn.Sequential(_norm(width), nn.SiLU(), _zeroed(_conv(width, shape[0])))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        time = self.time(t)  # (n, time_width)
        h, kept = self.first(x), []
        for level, block in enumerate(self.down):
            h = block(self.halve[level - 1](h) if level else h, time)
            kept.append(h)
        h = self.middle(self.attention(h), time)
        for block in self.up:
            side = kept.pop()
            if h.shape[2:] != side.shape[2:]:
                h = nn.functional.interpolate(h, side.shape[2:], mode="nearest")
            h = block(torch.cat([h, side], dim=1), time)
        return self.last(h)


def _norm(channels: int) -> nn.GroupNorm:
    """Groups of four channels, or of all where four do not divide them."""
    return nn.GroupNorm(channels // 4 if channels % 4 == 0 else 1, channels)


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def _zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with weights of zero: a new block adds nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
