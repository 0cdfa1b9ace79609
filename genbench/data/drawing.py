"""Anti-aliased pictures of discs, squares, triangles and crosses, by signed distances to edges.

A pixel's coverage by a half-plane is 1/2 - d, clipped, d pixels from the edge to the pixel's
centre: exact for edges along the axes, within .05 for others; that of an intersection is the
product, of a union the sum less the intersection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

KINDS = ("disc", "square", "triangle", "cross")
# The least turn that changes nothing, of each kind; a disc's is never drawn.
SYMMETRY = (0.0, math.pi / 2, 2 * math.pi / 3, math.pi / 2)
_ARM = 1 / 3  # of a cross: its width over its length
_BLOCK = 2**22  # pixels drawn at a time


def draw(factors: Tensor, colours: Tensor, size: int) -> Tensor:
    """Pictures (n, C, size, size) uint8, a shape each on black ground.

    factors: (n, 6) floating: kind, colour, x, y, radius, angle, as numbers of `KINDS` and of
    `colours`, shares of the picture's side from its upper left corner, and radians anticlockwise.
    A shape's farthest point is `radius` from its place. colours: (K, C) floating, 0 .. 255.
    """
    rows = max(1, _BLOCK // size**2)
    return torch.cat([_draw(some, colours, size) for some in factors.split(rows)])


def _draw(factors: Tensor, colours: Tensor, size: int) -> Tensor:
    kind, colour = factors[:, 0].long(), factors[:, 1].long()
    x, y, radius = (factors[:, 2:5].float() * size).T[:, :, None, None]  # (n, 1, 1), pixels
    angle = factors[:, 5, None, None].float()
    centres = torch.arange(size, device=factors.device) + 0.5
    right, up = centres[None, None, :] - x, y - centres[None, :, None]
    cos, sin = angle.cos(), angle.sin()
    u, v = cos * right + sin * up, cos * up - sin * right  # turned back: (n, size, size)
    found = _covers(u, v, radius)
    cover = found[-1]
    for number, other in enumerate(found[:-1]):
        cover = torch.where(kind[:, None, None] == number, other, cover)
    painted = cover[:, None] * colours.to(cover)[colour][:, :, None, None]
    return painted.round().to(torch.uint8)


def _covers(u: Tensor, v: Tensor, radius: Tensor) -> Sequence[Tensor]:
    """Coverage (n, size, size) by each of `KINDS`, around the origin."""
    disc = _inside((u.square() + v.square()).sqrt() - radius)
    half = radius * math.sqrt(0.5)
    square = _box(u, v, half, half)
    sides = [
        _inside(math.cos(turn) * u + math.sin(turn) * v - radius / 2)
        for turn in (-math.pi / 2, math.pi / 6, 5 * math.pi / 6)
    ]
    long = radius / math.sqrt(1 + _ARM**2)
    wide = long * _ARM
    cross = _box(u, v, long, wide) + _box(u, v, wide, long) - _box(u, v, wide, wide)
    return disc, square, sides[0] * sides[1] * sides[2], cross


def _box(u: Tensor, v: Tensor, half_width: Tensor, half_height: Tensor) -> Tensor:
    """Of a rectangle; both edges of an axis count, so that thin ones cover what they do."""
    across = _inside(u - half_width) - _inside(u + half_width)
    along = _inside(v - half_height) - _inside(v + half_height)
    return across * along


def _inside(distance: Tensor) -> Tensor:
    """Coverage by a half-plane whose edge lies `distance` pixels off, negative inside."""
    return (0.5 - distance).clamp(0, 1)
