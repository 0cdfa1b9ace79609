"""Kernel distance: the squared maximum mean discrepancy of a polynomial kernel, without bias.

KID of Binkowski et al. 2018, arXiv 1801.01401; k(x, y) = (gamma x'y + coef0)^degree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import count, feature_pair
from genbench.metrics.intervals import Estimate, normal_estimate
from genbench.metrics.kernel_pairs import (
    BLOCK,
    Pairs,
    Polynomial,
    pair_mean,
    pairs_between,
    pairs_within,
    subset_means,
)
from genbench.metrics.reductions import in_order, single_threaded

FEWEST = 4  # rows: the variance of a pair's kernel value has n (n - 3) / 2 degrees of freedom


class KernelDistance(NamedTuple):
    """mean: the distance, in the kernel's units; may be negative. standard_error: of it."""

    mean: float
    standard_error: float


class KernelSubsets(NamedTuple):
    """Mean and standard deviation (over the count) of the distances of random subsets."""

    mean: float
    std: float


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
    xx, yy, xy = pairs_within(x, kernel), pairs_within(y, kernel), pairs_between(x, y, kernel)
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
    subsets = count(subsets, argument="subsets")
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
            return pair_mean(a, a, kernel) + pair_mean(b, b, kernel) - 2 * pair_mean(a, b, kernel)

        each = in_order(distance, list(zip(reals, fakes, strict=True)), x.device)
        values = torch.tensor(list(each), dtype=torch.float64)
    else:
        of_x, of_y = _membership(reals, x), _membership(fakes, y)
        within = subset_means(x, x, of_x, of_x, kernel) + subset_means(y, y, of_y, of_y, kernel)
        values = within - 2 * subset_means(x, y, of_x, of_y, kernel)
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


def _rows_and_kernel(
    real: Any, fake: Any, degree: int, gamma: float | None, coef0: float
) -> tuple[Tensor, Tensor, Polynomial]:
    degree = count(degree, argument="degree")
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


def _variance(xx: Pairs, yy: Pairs, xy: Pairs) -> float:
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
