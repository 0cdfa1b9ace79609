"""Sums of a polynomial kernel over pairs of rows, block by block, on all cores."""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import torch
from torch import Tensor

from genbench.metrics.reductions import in_order

BLOCK = 512  # rows: 2 MiB of kernel values at once; twice as fast as 1024


class Polynomial(NamedTuple):
    """(gamma x'y + coef0)^degree about a centre z: of x and y less k(x, z) + k(z, y) - k(z, z).

    A distance is the same for both kernels, for these terms cancel in it. Taken away by algebra and
    not by subtraction, they leave no digits behind where features lie far from the origin.
    """

    center: Tensor  # (d,)
    gamma: float
    coef0: float
    degree: int

    def __call__(self, u: Tensor, v: Tensor) -> Tensor:
        """(n, m) of rows u (n, d), v (m, d) less the centre; the same bits for (v, u)'.

        With a = gamma z'z + coef0, p = gamma z'u, q = gamma z'v, r = gamma u'v, t = a + p + q:
        (t + r)^D - t^D, a polynomial in r; and t^D - (a + p)^D - (a + q)^D + a^D, in p and q.
        """
        a = (self.gamma * self.center @ self.center + self.coef0).item()
        p, q = (self.gamma * (rows @ self.center) for rows in (u, v))
        t = (a + p)[:, None] + q  # (n, m)
        r = torch.addmm(t, u, v.T, beta=0, alpha=self.gamma)
        if self.degree == 1:
            return r
        found, power = torch.add(r, t, alpha=self.degree), t  # Horner's rule in r, t^i beside it
        for i in range(2, self.degree):
            power = power * t
            found.mul_(r).add_(power, alpha=comb(self.degree, i))
        powers = range(1, self.degree)
        weights = p.new_tensor([[self._weight(a, i, j) for j in powers] for i in powers])
        left, right = (torch.stack([x**i for i in powers], dim=1) for x in (p, q))
        return found.mul_(r).addmm_(left @ weights, right.T)

    def _weight(self, a: float, i: int, j: int) -> float:
        rest = self.degree - i - j
        return comb(self.degree, i) * comb(self.degree - i, j) * a**rest if rest >= 0 else 0.0


class Pairs(NamedTuple):
    """Kernel values of the pairs of two sets, or of one with itself, the diagonal left out."""

    mean: float
    of_first: Tensor  # (n,) mean over the others, of each row
    of_second: Tensor  # (m,)
    squares: float  # sum over pairs of (value - mean)^2


def _places(count: int, first: int = 0) -> list[slice]:
    return [slice(i, min(i + BLOCK, count)) for i in range(first, count, BLOCK)]


def _centred(rows: Tensor, kernel: Polynomial) -> Tensor:
    """Rows less the kernel's centre, float64."""
    return rows.double() - kernel.center


def pairs_within(rows: Tensor, kernel: Polynomial) -> Pairs:
    n = len(rows)

    def part(i: slice) -> tuple[slice, Tensor, float]:
        """Sums by row over the pairs of block i with itself and all behind it, and of squares."""
        sums, squares, u = kernel.center.new_zeros(n - i.start), 0.0, _centred(rows[i], kernel)
        for j in _places(n, i.start):
            values = kernel(u, _centred(rows[j], kernel))
            if j == i:
                values.fill_diagonal_(0)
            else:
                sums[j.start - i.start : j.stop - i.start] = values.sum(dim=0)
            sums[: len(u)] += values.sum(dim=1)
            squares += (1 if j == i else 2) * values.square().sum().item()
        return i, sums, squares

    total, squares = kernel.center.new_zeros(n), 0.0
    for i, sums, found in in_order(part, _places(n), rows.device):
        total[i.start :] += sums
        squares += found
    mean = total.sum().item() / (n * (n - 1))
    each = total / (n - 1)
    return Pairs(mean, each, each, squares - n * (n - 1) * mean**2)


def pairs_between(x: Tensor, y: Tensor, kernel: Polynomial) -> Pairs:
    def part(i: slice) -> tuple[slice, Tensor, Tensor, float]:
        u, by_column, squares = _centred(x[i], kernel), kernel.center.new_empty(len(y)), 0.0
        by_row = kernel.center.new_zeros(len(u))
        for j in _places(len(y)):
            values = kernel(u, _centred(y[j], kernel))
            by_row += values.sum(dim=1)
            by_column[j] = values.sum(dim=0)
            squares += values.square().sum().item()
        return i, by_row, by_column, squares

    of_x, of_y = kernel.center.new_zeros(len(x)), kernel.center.new_zeros(len(y))
    squares = 0.0
    for i, by_row, by_column, found in in_order(part, _places(len(x)), x.device):
        of_x[i] = by_row
        of_y += by_column
        squares += found
    count = len(x) * len(y)
    mean = of_x.sum().item() / count
    return Pairs(mean, of_x / len(y), of_y / len(x), squares - count * mean**2)


def pair_mean(x: Tensor, y: Tensor, kernel: Polynomial) -> float:
    """Of the pairs of two sets, or of one with itself, the diagonal left out."""
    within, total = x is y, 0.0
    for i in _places(len(x)):
        u = _centred(x[i], kernel)
        for j in _places(len(y), i.start if within else 0):
            values = kernel(u, _centred(y[j], kernel))
            diagonal = values.trace() if within and j == i else 0.0
            twice = 2 if within and j != i else 1
            total += float(twice * values.sum() - diagonal)
    return total / (len(x) * (len(x) - 1) if within else len(x) * len(y))


def subset_means(x: Tensor, y: Tensor, of_x: Tensor, of_y: Tensor, kernel: Polynomial) -> Tensor:
    """`pair_mean` of every subset (subsets,), each kernel value computed once for all."""
    within = x is y

    def part(i: slice) -> Tensor:
        u, total = _centred(x[i], kernel), kernel.center.new_zeros(of_x.shape[1])
        for j in _places(len(y), i.start if within else 0):
            values = kernel(u, _centred(y[j], kernel))
            if within and j == i:
                values.fill_diagonal_(0)
            sums = ((values @ of_y[j]) * of_x[i]).sum(dim=0)
            total += 2 * sums if within and j != i else sums
        return total

    parts = in_order(part, _places(len(x)), x.device)
    total = torch.stack(list(parts)).sum(dim=0)
    n, m = of_x[:, 0].sum(), of_y[:, 0].sum()
    return total / (n * (n - 1) if within else n * m)
