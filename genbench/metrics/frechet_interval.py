"""Intervals of the Frechet distance, and its value for infinitely many samples.

The distance's derivative by a covariance is I - T with T the optimal transport map between the two
Gaussians (Dowson and Landau 1982). Infinitely many samples: Chong and Forsyth 2020, arXiv
1911.07023.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import count, feature_pair
from genbench.metrics.frechet import (
    EPS,
    LARGEST,
    Side,
    distance,
    side_of_rows,
    warn_of_few_rows,
)
from genbench.metrics.intervals import Estimate, bootstrap_estimate, normal_estimate
from genbench.metrics.moments import CHUNK
from genbench.metrics.reductions import gram, product, single_threaded

SPLITS = 4


class Spread(NamedTuple):
    """Variances of the distance that come of drawing the real rows, and of drawing the fakes."""

    real: float
    fake: float


@single_threaded()
def frechet_distance_estimate(
    *, real: Any, fake: Any, level: float = 0.95, repeats: int = 100, seed: int = 0
) -> Estimate:
    """`frechet_distance` of features (N, d) and (M, d) with an interval, which ends at 0.

    It holds the mean of the value over samples of these sizes; their bias stays in it (see
    `frechet_distance_infinity`). Closed form (delta method) with more rows than columns on both
    sides and one covariance of full rank within the other's; otherwise `repeats` bootstrap samples.
    Where both laws are equal the closed form is too wide. Warnings and errors: `frechet_distance`.
    """
    a, b = feature_pair(real=real, fake=fake, rows=2, largest=LARGEST)
    warn_of_few_rows(real=a, fake=b)
    sides = side_of_rows(a), side_of_rows(b)
    spread = spread_by_influence(a, b, sides)
    value = distance(*sides)
    if spread is not None:
        found = normal_estimate(value, math.sqrt(sum(spread)), level=level)
    else:

        def resampled(rng: torch.Generator) -> float:
            return distance(_drawn_again(a, rng), _drawn_again(b, rng))

        found = bootstrap_estimate(value, resampled, level=level, repeats=repeats, seed=seed)
    return found._replace(low=max(found.low, 0.0))


@single_threaded()
def frechet_distance_infinity(
    *, real: Any, fake: Any, both: bool = False, splits: int = SPLITS, seed: int = 0
) -> float:
    """The Frechet distance that infinitely many fakes would have; see the estimate."""
    return _line(real, fake, both, splits, seed).intercept


@single_threaded()
def frechet_distance_infinity_estimate(
    *,
    real: Any,
    fake: Any,
    both: bool = False,
    splits: int = SPLITS,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Frechet distance at M = infinity: the intercept of a line through its values over 1 / M.

    For k = 1 .. splits the fakes, shuffled by `seed`, fall into k parts of M // k rows; the value
    at that size is the mean over the parts, so that every size uses all rows (the paper draws one
    random subset a size, of 5,000 rows and more). As in the paper the real set is the reference
    itself; both=True takes it for a sample too, splits it alike and extrapolates both sizes.
    May be negative. The interval holds the distance of the fakes' law from the real set (both: of
    the two laws); it joins the regression's variance and that of drawing the rows. The line's own
    error is about .6 d / M of the bias removed. Errors: InputError, also for parts of d rows or
    fewer.
    """
    line = _line(real, fake, both, splits, seed)
    spread = spread_by_influence(line.real, line.fake, line.sides)
    if spread is None:
        spread = _spread_by_bootstrap(line.real, line.fake, line.sides, seed=seed)
    drawn = spread.fake + (spread.real if both else 0.0)
    return normal_estimate(line.intercept, math.sqrt(line.variance + drawn), level=level)


class _Line(NamedTuple):
    """The checked rows, both whole sets' Gaussians, and the line through the sizes' distances."""

    real: Tensor  # (N, d)
    fake: Tensor  # (M, d)
    sides: tuple[Side, Side]
    intercept: float
    variance: float  # of the intercept, by the residuals


def _line(real: Any, fake: Any, both: bool, splits: int, seed: int) -> _Line:
    a, b = feature_pair(real=real, fake=fake, rows=2, largest=LARGEST)
    splits = count(splits, argument="splits", least=3)
    d = a.shape[1]
    for name, rows in (("real", a), ("fake", b)):
        if len(rows) < splits * (d + 1) and (both or name == "fake"):
            raise InputError(
                f"{name}: must have at least splits (d + 1) = {splits * (d + 1)} rows, "
                f"got {len(rows)}"
            )
    whole = side_of_rows(a), side_of_rows(b)
    rng = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(rows), generator=rng).to(rows.device) for rows in (a, b)]
    values = [distance(*whole)]
    for k in range(2, splits + 1):
        reals = _parts(a, orders[0], k) if both else [whole[0]] * k
        pairs = zip(reals, _parts(b, orders[1], k), strict=True)
        values.append(sum(distance(x, y) for x, y in pairs) / k)
    return _Line(a, b, whole, *_intercept(torch.tensor(values, dtype=torch.float64)))


def spread_by_influence(real: Tensor, fake: Tensor, sides: tuple[Side, Side]) -> Spread | None:
    """By the influence of each row; None where the distance is not differentiable or N <= d.

    With roots S1 = A A', S2 = B B', r = columns of B <= those of A, and A'B = U s V': the map of
    the reals is B V s^-1 V' B', that of the fakes its inverse within the range of S2.
    """
    a, b = sides
    if min(len(real), len(fake)) <= real.shape[1] or 0 in (a.root.shape[1], b.root.shape[1]):
        return None
    if a.root.shape[1] < b.root.shape[1]:
        swapped = spread_by_influence(fake, real, (b, a))
        return None if swapped is None else Spread(swapped.fake, swapped.real)
    squares, v = torch.linalg.eigh(gram(product(a.root, b.root)))  # s^2 (r,), V (r, r)
    if squares[0] <= len(squares) * EPS * squares[-1]:
        return None
    s = squares.sqrt()
    forward = b.root @ v / s.sqrt()  # (d, r): T = forward forward'
    if b.root.shape[0] == b.root.shape[1]:
        inverse = torch.linalg.solve(b.root.T, v * s.sqrt())
    else:  # eigenvectors: orthogonal columns
        inverse = b.root / b.root.square().sum(dim=0) @ (v * s.sqrt())
    apart = a.mean - b.mean
    return Spread(
        _variance_of_influence(real, a.mean, apart, forward),
        _variance_of_influence(fake, b.mean, -apart, inverse),
    )


def _variance_of_influence(rows: Tensor, mean: Tensor, apart: Tensor, root: Tensor) -> float:
    """Var[2 apart'x + x'(I - root root')x] / N over the centred rows x of (N, d)."""
    parts = []
    for block in rows.split(CHUNK):
        x = block.double() - mean
        moved = x @ root
        parts.append(2 * x @ apart + x.square().sum(dim=1) - moved.square().sum(dim=1))
    return torch.cat(parts).var().item() / len(rows)


def _drawn_again(rows: Tensor, rng: torch.Generator) -> Side:
    """A bootstrap sample, of each drawn row once with its count: twins would cost rank."""
    drawn = torch.randint(len(rows), (len(rows),), generator=rng)
    counts = torch.bincount(drawn, minlength=len(rows)).to(rows.device)
    return side_of_rows(rows[counts > 0], counts[counts > 0])


def _spread_by_bootstrap(
    real: Tensor, fake: Tensor, sides: tuple[Side, Side], *, seed: int
) -> Spread:
    """The same by drawing one set again and again while the other stays."""
    of_real = bootstrap_estimate(
        0.0, lambda rng: distance(_drawn_again(real, rng), sides[1]), seed=seed
    )
    of_fake = bootstrap_estimate(
        0.0, lambda rng: distance(sides[0], _drawn_again(fake, rng)), seed=seed
    )
    return Spread(of_real.standard_error**2, of_fake.standard_error**2)


def _parts(rows: Tensor, order: Tensor, k: int) -> list[Side]:
    size = len(rows) // k
    return [side_of_rows(rows[order[i * size : (i + 1) * size]]) for i in range(k)]


def _intercept(values: Tensor) -> tuple[float, float]:
    """Of the least-squares line through (k, values[k - 1]), and its variance by the residuals."""
    k = torch.arange(1, len(values) + 1, dtype=torch.float64)
    design = torch.stack([torch.ones_like(k), k], dim=1)
    inverse = torch.linalg.inv(design.T @ design)
    line = inverse @ design.T @ values
    residual = (values - design @ line).square().sum() / (len(k) - 2)
    return line[0].item(), (residual * inverse[0, 0]).item()
