"""Estimates with intervals: normal, Wilson's for shares, and the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import count


class Estimate(NamedTuple):
    """A value between the ends of its interval, in the value's units, and its standard error."""

    value: float
    low: float
    high: float
    standard_error: float


def quantile(level: float, *, degrees: int | None = None) -> float:
    """z with P(|Z| <= z) = level for a standard normal Z, or Student's of `degrees` of freedom.

    InputError outside (0, 1).
    """
    from scipy.special import ndtri, stdtrit  # scipy.stats takes a second to import

    if not 0 < level < 1:
        raise InputError(f"level: must be between 0 and 1, got {level}")
    p = (1 + level) / 2
    return float(ndtri(p) if degrees is None else stdtrit(degrees, p))


def normal_estimate(
    value: float, standard_error: float, *, level: float = 0.95, degrees: int | None = None
) -> Estimate:
    """value -+ z standard errors; Student's t where `degrees` + 1 values gave the error."""
    reach = quantile(level, degrees=degrees) * standard_error
    return Estimate(value, value - reach, value + reach, standard_error)


def within(estimate: Estimate, least: float, most: float) -> Estimate:
    """The estimate with its ends no farther than the metric's own bounds."""
    low, high = max(estimate.low, least), min(estimate.high, most)
    return estimate._replace(low=low, high=high)


def mean(values: Tensor) -> float:
    """Mean of (N,), its sum correctly rounded: neither order nor threads change a bit; N >= 1."""
    return math.fsum(values.tolist()) / len(values)


def mean_estimate(values: Tensor, *, level: float = 0.95) -> Estimate:
    """Mean of independent values (N,) and its normal interval; N >= 2.

    One infinite value makes an infinite mean without an interval: its ends are NaN.
    """
    n = len(values)
    if n < 2:
        raise InputError(f"values: an interval needs at least 2 of them, got {n}")
    center = mean(values)
    if not math.isfinite(center):
        return Estimate(center, math.nan, math.nan, math.nan)
    variance = math.fsum((x - center) ** 2 for x in values.tolist()) / (n - 1)
    return normal_estimate(center, math.sqrt(variance / n), level=level)


def share_estimate(hits: int, n: int, *, level: float = 0.95) -> Estimate:
    """The share hits / n with Wilson's score interval (1927), which stays inside [0, 1]."""
    z, p = quantile(level), hits / n
    shrink = 1 + z * z / n
    center = (p + z * z / (2 * n)) / shrink
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    # min and max: at p = 0 and 1 the ends are exact, their rounding is not
    low, high = min(max(center - reach, 0.0), p), max(min(center + reach, 1.0), p)
    return Estimate(p, low, high, math.sqrt(p * (1 - p) / n))


def bootstrap_estimate(
    value: float,
    resampled: Callable[[torch.Generator], float],
    *,
    level: float = 0.95,
    repeats: int = 100,
    seed: int = 0,
) -> Estimate:
    """value -+ z standard deviations of `repeats` resampled values (Efron 1979).

    resampled(rng) draws rows with replacement from `rng`, a CPU generator, and returns the metric
    on them. The interval shows the spread of the value at this sample size; a bias that the metric
    has at this size (Frechet distance) stays in it.
    """
    repeats = count(repeats, argument="repeats", least=2)
    rng = torch.Generator().manual_seed(seed)
    values = torch.tensor([resampled(rng) for _ in range(repeats)], dtype=torch.float64)
    return normal_estimate(value, values.std().item(), level=level)


def counts_estimate(
    value: float,
    counts: Tensor,
    measured: Callable[[Tensor], float],
    *,
    level: float = 0.95,
    repeats: int = 100,
    seed: int = 0,
) -> Estimate:
    """`bootstrap_estimate` of a metric of counts (K,) float64 of independent rows.

    measured(counts) is the metric on resampled counts: drawing rows with replacement draws counts
    from the multinomial law of their shares.
    """
    n = int(counts.sum())

    def resampled(rng: torch.Generator) -> float:
        drawn = torch.multinomial(counts, n, replacement=True, generator=rng)
        return measured(torch.bincount(drawn, minlength=len(counts)).double())

    return bootstrap_estimate(value, resampled, level=level, repeats=repeats, seed=seed)
