"""Nearest neighbours block by block with torch, where `nearest` has no kernels: CUDA, no compiler.

In few columns distances are sums of squared differences. In many, |x|^2 + |y|^2 - 2 x.y of centred
float64 rows, one matrix product, with a bound on what it loses where it cancels; only pairs that
the bound leaves open are subtracted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_ENTRIES = 2_000_000  # distances held at once: 16 MB of float64, a few times
_FEW = 32  # columns up to which differences are cheaper than a product and its bound

Advance = Callable[[int], None]  # pairs of rows done


class _Blocks:
    """Blocks of rows of x against all of y; squared distances in units of 2^(-2 power)."""

    def __init__(self, x: Tensor, y: Tensor, power: int) -> None:
        self.x, self.y, self.power = x, y, power
        self.size = max(1, _ENTRIES // len(y))
        if y.shape[1] > _FEW:
            self.y_centred = y.to(torch.float64, copy=True)  # the one copy, changed in place
            self.center = self.y_centred.mean(dim=0)
            self.y_centred.sub_(self.center).mul_(2.0**power)
            self.y_norm = torch.cat(
                [part.square().sum(dim=1) for part in self.y_centred.split(self.size)]
            )

    def _scaled(self, x: Tensor) -> Tensor:
        return x * 2.0**self.power

    def starts(self) -> Iterator[int]:
        return iter(range(0, len(self.x), self.size))

    def bounds(self, start: int) -> tuple[Tensor, Tensor]:
        """(B, M) below and above the squared distances of a block; the same tensor where exact."""
        rows = self.x[start : start + self.size].double()
        if self.y.shape[1] <= _FEW:
            squared = torch.zeros(len(rows), len(self.y), dtype=torch.float64, device=rows.device)
            for a, b in zip(rows.T, self.y.double().T, strict=True):
                squared += self._scaled(a[:, None] - b).square_()
            return squared, squared
        rows = self._scaled(rows - self.center)
        norms = rows.square().sum(dim=1, keepdim=True) + self.y_norm
        squared = torch.addmm(norms, rows, self.y_centred.T, alpha=-2)
        # Norms, product and the differences' own sum: below 4 d roundings of |x|^2 + |y|^2,
        # centring and the last sums: below 16 (Higham 2002, section 3.1). Twice that.
        error = norms.mul_(8 * (self.y.shape[1] + 8) * 2.0**-53)
        return squared - error, squared + error

    def exact(self, start: int, pairs: Tensor) -> Tensor:
        """(P,) squared distances of pairs (P, 2): a row of the block, a row of y."""
        found = torch.empty(len(pairs), dtype=torch.float64, device=pairs.device)
        several = max(1, _ENTRIES // self.y.shape[1])
        for first in range(0, len(pairs), several):
            i, j = pairs[first : first + several].T
            difference = self.x[start + i].double() - self.y[j].double()
            found[first : first + several] = self._scaled(difference).square_().sum(dim=1)
        return found

    def smallest(self, start: int, k: int, *, others: bool) -> Tensor:
        """(B, M): squared distances among which are the k smallest of a row, infinity elsewhere."""
        lower, upper = self.bounds(start)
        if others:
            own = torch.arange(len(lower), device=lower.device)
            lower[own, start + own] = upper[own, start + own] = math.inf
        if lower is upper:
            return lower
        enough = upper.topk(k, dim=1, largest=False).values[:, -1:]
        pairs = (lower <= enough).nonzero()
        found = torch.full_like(lower, math.inf)
        found[pairs[:, 0], pairs[:, 1]] = self.exact(start, pairs)
        return found

    def inside(self, start: int, bounds: tuple[Tensor, Tensor], radius: Tensor) -> Tensor:
        """(B, M): whether a pair is no farther than `radius` (B, 1) or (M,)."""
        lower, upper = bounds
        within = upper <= radius
        if lower is upper:
            return within
        pairs = ((lower <= radius) & ~within).nonzero()
        limits = radius.expand(lower.shape)[pairs[:, 0], pairs[:, 1]]
        within[pairs[:, 0], pairs[:, 1]] = self.exact(start, pairs) <= limits
        return within


def nearest_others(x: Tensor, power: int, k: int, advance: Advance) -> Tensor:
    """See `nearest.nearest_others`."""
    blocks, best = _Blocks(x, x, power), []
    for start in blocks.starts():
        squared = blocks.smallest(start, k, others=True)
        best.append(squared.topk(k, dim=1, largest=False).values)
        advance(len(squared) * len(x) // 2)
    return torch.cat(best)


def nearest_in(x: Tensor, y: Tensor, power: int, k: int, advance: Advance) -> tuple[Tensor, Tensor]:
    """See `nearest.nearest_in`."""
    blocks, best, index = _Blocks(x, y, power), [], []
    for start in blocks.starts():
        squared = blocks.smallest(start, k, others=False)
        for _ in range(k):  # topk promises nothing about the order of ties
            nearest = squared.argmin(dim=1, keepdim=True)
            best.append(squared.gather(1, nearest))
            index.append(nearest)
            squared.scatter_(1, nearest, math.inf)
        best[-k:], index[-k:] = [torch.cat(best[-k:], dim=1)], [torch.cat(index[-k:], dim=1)]
        advance(squared.numel())
    return torch.cat(best), torch.cat(index)


def count_inside(
    x: Tensor, y: Tensor, power: int, x_radius: Tensor, y_radius: Tensor, advance: Advance
) -> tuple[Tensor, Tensor, Tensor]:
    """See `nearest.count_inside`."""
    blocks = _Blocks(x, y, power)
    balls_of_x = torch.zeros(len(y), dtype=torch.int64, device=y.device)
    held_by_x, balls_of_y = [], []
    for start in blocks.starts():
        bounds = blocks.bounds(start)
        in_x = blocks.inside(start, bounds, x_radius[start : start + blocks.size, None])
        balls_of_x += in_x.sum(dim=0)
        held_by_x.append(in_x.sum(dim=1))
        balls_of_y.append(blocks.inside(start, bounds, y_radius).sum(dim=1))
        advance(in_x.numel())
    return balls_of_x, torch.cat(held_by_x), torch.cat(balls_of_y)
