"""Kernel distance: the squared maximum mean discrepancy of a polynomial kernel, without bias.

KID of Binkowski et al. 2018, arXiv 1801.01401; k(x, y) = (gamma x'y + coef0)^degree.
"""

from __future__ import annotations

from math import comb
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import feature_pair
from genbench.metrics.intervals import Estimate, normal_estimate
from genbench.metrics.reductions import in_order, single_threaded

BLOCK = 512  # rows: 2 MiB of kernel values at once; twice as fast as 1024
FEWEST = 4  # rows: the variance of a pair's kernel value has n (n - 3) / 2 degrees of freedom


class KernelDistance(NamedTuple):
    """mean: the distance, in the kernel's units; may be negative. standard_error: of it."""

    mean: float
    standard_error: float


class KernelSubsets(NamedTuple):
    """Mean and standard deviation (over the count) of the distances of random subsets."""

    mean: float
    std: float


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


def kernel_distance(
    *,
    real: Any,
    fake: Any,
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
) -> KernelDistance:
    """Unbiased squared MMD of features (N, d) and (M, d), over all pairs of rows.

    Kernel (gamma x'y + coef0)^degree with gamma 1 / d by default: KID on Inception's features.
    float64 whatever the dtype; symmetric; memory grows with N + M. The standard error is the closed
    form of a two-sample U-statistic (Hoeffding 1948), with its second-order part: it holds where
    both laws are equal, too (in few dimensions it is then too large). The same bits for any number
    of threads.
    Errors: InputError that names the argument (shape, dtype, fewer than 4 rows, not finite).
    """
    estimate = kernel_distance_estimate(
        real=real, fake=fake, degree=degree, gamma=gamma, coef0=coef0
    )
    return KernelDistance(estimate.value, estimate.standard_error)


@single_threaded()
def kernel_distance_estimate(
    *,
    real: Any,
    fake: Any,
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
    level: float = 0.95,
) -> Estimate:
    """`kernel_distance` with a normal interval for the distance of the two laws."""
    x, y, kernel = _rows_and_kernel(real, fake, degree, gamma, coef0)
    for name, rows in (("real", x), ("fake", y)):
        if len(rows) < FEWEST:
            raise InputError(f"{name}: must have at least {FEWEST} rows, got {len(rows)}")
    xx, yy, xy = _within(x, kernel), _within(y, kernel), _between(x, y, kernel)
    error = _variance(xx, yy, xy) ** 0.5
    return normal_estimate(xx.mean + yy.mean - 2 * xy.mean, error, level=level)


@single_threaded()
def kernel_distance_subsets(
    *,
    real: Any,
    fake: Any,
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> KernelSubsets:
    """Kernel distance as torch-fidelity has it: over `subsets` random subsets of both sets.

    The same subsets where its input1 is the fakes and its input2 the reals: NumPy's RandomState,
    without replacement, fakes first. The std is that of a distance of `subset_size` rows, not of
    the mean. Errors: InputError as `kernel_distance`, and for a subset larger than a set.
    """
    if subsets < 1:
        raise InputError(f"subsets: must be at least 1, got {subsets}")
    x, y, kernel = _rows_and_kernel(real, fake, degree, gamma, coef0)
    for name, rows in (("real", x), ("fake", y)):
        if not 2 <= subset_size <= len(rows):
            raise InputError(
                f"subset_size: must be from 2 to the {len(rows)} rows of {name}, got {subset_size}"
            )
    reals, fakes = _drawn(len(x), len(y), subsets, subset_size, seed)
    if len(x) * len(y) > subsets * subset_size**2:

        def distance(drawn: tuple[Tensor, Tensor]) -> float:
            a, b = x[drawn[0].to(x.device)], y[drawn[1].to(y.device)]
            return _mean(a, a, kernel) + _mean(b, b, kernel) - 2 * _mean(a, b, kernel)

        each = in_order(distance, list(zip(reals, fakes, strict=True)), x.device)
        values = torch.tensor(list(each), dtype=torch.float64)
    else:
        of_x, of_y = _membership(reals, x), _membership(fakes, y)
        within = _means(x, x, of_x, of_x, kernel) + _means(y, y, of_y, of_y, kernel)
        values = within - 2 * _means(x, y, of_x, of_y, kernel)
    return KernelSubsets(values.mean().item(), values.std(correction=0).item())


def _drawn(n: int, m: int, subsets: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows (subsets, size) of the reals and of the fakes, these drawn first."""
    rng, reals, fakes = np.random.RandomState(seed), [], []
    for _ in range(subsets):
        fakes.append(rng.choice(m, size, replace=False))
        reals.append(rng.choice(n, size, replace=False))
    return torch.from_numpy(np.stack(reals)), torch.from_numpy(np.stack(fakes))


def _membership(drawn: Tensor, rows: Tensor) -> Tensor:
    """(N, subsets) float64: 1 where a row belongs to a subset."""
    member = torch.zeros(len(rows), len(drawn), dtype=torch.float64)
    return member.scatter_(0, drawn.T, 1.0).to(rows.device)


class _Pairs(NamedTuple):
    """Kernel values of the pairs of two sets, or of one with itself, the diagonal left out."""

    mean: float
    of_first: Tensor  # (n,) mean over the others, of each row
    of_second: Tensor  # (m,)
    squares: float  # sum over pairs of (value - mean)^2


def _rows_and_kernel(
    real: Any, fake: Any, degree: int, gamma: float | None, coef0: float
) -> tuple[Tensor, Tensor, Polynomial]:
    if degree < 1:
        raise InputError(f"degree: must be at least 1, got {degree}")
    if gamma is not None and gamma <= 0:
        raise InputError(f"gamma: must be above 0, got {gamma}")
    # kernel values up to 1e140, whose squares are summed
    largest = 10 ** (70 / degree) / (1 if gamma is None else max(1, gamma))
    x, y = feature_pair(real=real, fake=fake, rows=2, largest=largest)
    center = (_sum(x) + _sum(y)) / (len(x) + len(y))
    return x, y, Polynomial(center, 1 / x.shape[1] if gamma is None else gamma, coef0, degree)


def _sum(rows: Tensor) -> Tensor:
    """(d,) float64, without a copy of the rows in float64."""
    return torch.stack([block.double().sum(dim=0) for block in rows.split(BLOCK)]).sum(dim=0)


def _places(count: int, first: int = 0) -> list[slice]:
    return [slice(i, min(i + BLOCK, count)) for i in range(first, count, BLOCK)]


def _centred(rows: Tensor, kernel: Polynomial) -> Tensor:
    """Rows less the kernel's centre, float64."""
    return rows.double() - kernel.center


def _within(rows: Tensor, kernel: Polynomial) -> _Pairs:
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
    return _Pairs(mean, each, each, squares - n * (n - 1) * mean**2)


def _between(x: Tensor, y: Tensor, kernel: Polynomial) -> _Pairs:
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
    return _Pairs(mean, of_x / len(y), of_y / len(x), squares - count * mean**2)


def _mean(x: Tensor, y: Tensor, kernel: Polynomial) -> float:
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


def _means(x: Tensor, y: Tensor, of_x: Tensor, of_y: Tensor, kernel: Polynomial) -> Tensor:
    """`_mean` of every subset (subsets,), each kernel value computed once for all of them."""
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


def _variance(xx: _Pairs, yy: _Pairs, xy: _Pairs) -> float:
    """Of the distance, by Hoeffding's decomposition, each component estimated without bias.

    A value is mean + g(x) + g(x') + w(x, x') within, mean + a(x) + b(y) + e(x, y) between; rows add
    4 Var(g - a) / n each, pairs 2 Var w / (n (n - 1)) within and 4 Var e / (n m) between.
    """
    n, m = len(xx.of_first), len(yy.of_first)
    # two-way analysis of variance: what the effects of rows and columns leave
    effects = m * _about(xy.of_first, xy.mean) + n * _about(xy.of_second, xy.mean)
    e = max(xy.squares - effects, 0.0) / ((n - 1) * (m - 1))
    first = pairs = 0.0
    for own, across, other in ((xx, xy.of_first, m), (yy, xy.of_second, n)):
        k = len(own.of_first)
        shrink = (k - 1) / (k - 2)  # a row's mean over the others holds their effects, too
        rest = own.squares / 2 - (k - 1) * shrink * _about(own.of_first, own.mean)
        w = max(rest, 0.0) / (k * (k - 3) / 2)
        apart = shrink * (own.of_first - own.mean) - (across - xy.mean)
        first += 4 / k * (apart.var().item() - w / (k - 2) - e / other)
        pairs += 2 * w / (k * (k - 1))
    return max(first, 0.0) + pairs + 4 * e / (n * m)


def _about(values: Tensor, mean: float) -> float:
    return (values - mean).square().sum().item()
