"""Mode coverage of samples against a mixture whose modes are known.

Published rule (Srivastava et al. 2017, VEEGAN; Lin et al. 2018, PacGAN): a sample is of high
quality within three standard deviations of a mode; in more than two dimensions the radius grows
(`mode_law.quality_radius`). `modes_held` is stricter: a uniform cloud visits every mode, but does
not hold its weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from genbench.metrics.intervals import (
    Estimate,
    counts_estimate,
    normal_estimate,
    share_estimate,
    within,
)
from genbench.metrics.mode_law import HELD_SHARE, Modes, assigned, mode_law

T = TypeVar("T")


class ModeCoverage(NamedTuple, Generic[T]):
    """modes, modes_held: counts (expected counts for a perfect sampler). high_quality: share 0..1.

    kl: sum p ln(p / q) over high-quality samples, nats, NaN when there are none; q: a mode's
    weight, or where modes overlap the share of a perfect sampler (`mode_law.mode_law`).
    kl_off_mode: the same with one more bin for all other samples, nats.
    """

    modes: T
    modes_held: T
    high_quality: T
    kl: T
    kl_off_mode: T


def mode_coverage(samples: Any, mixture: Modes) -> ModeCoverage[float]:
    """Score samples (N, d), any floating dtype, in the mixture's units; distances in float64.

    A sample belongs to its nearest mode and is of high quality when no farther than three sigma;
    in d > 2 dimensions than the radius that holds 1 - exp(-4.5) of a Gaussian, as three sigma do in
    the plane. Where the mixture has a `basis` (D, d), d counts and distances are those in R^D.
    modes: modes with at least one such sample; modes_held: with at least a fifth of the mode's
    weight. A tensor or a NumPy array; InputError for another width, no samples, or values that
    are not finite.
    """
    return coverage_of(_counts(samples, mixture), mixture)


def mode_coverage_estimate(
    samples: Any, mixture: Modes, *, level: float = 0.95, repeats: int = 100, seed: int = 0
) -> ModeCoverage[Estimate]:
    """`mode_coverage` with intervals: where it would lie for other samples, as many, of one source.

    high_quality: Wilson's. kl, kl_off_mode: normal, by the delta method; they keep the
    bias that counts have at this size, (bins - 1) / 2N nats (`perfect_sampler` shows it). modes,
    modes_held: bootstrap over the counts, `repeats` draws from `seed`; a mode that was never
    visited stays so. Samples are taken as independent.
    """
    counts = _counts(samples, mixture)
    every, inside = _expected(mixture)
    score = coverage_of(counts, mixture)

    def bootstrap(value: float, measured: Callable[[Tensor], int]) -> Estimate:
        found = counts_estimate(value, counts, measured, level=level, repeats=repeats, seed=seed)
        return within(found, 0, len(inside))

    return ModeCoverage(
        modes=bootstrap(score.modes, _visited),
        modes_held=bootstrap(score.modes_held, _held),
        high_quality=share_estimate(int(counts[:-1].sum()), len(samples), level=level),
        kl=_kl_estimate(counts[:-1], inside, level),
        kl_off_mode=_kl_estimate(counts, every, level),
    )


def perfect_sampler(mixture: Modes, n: int) -> ModeCoverage[float]:
    """What n samples of the mixture itself score on average: the floor beside every row.

    From the shares of `mode_law.mode_law`; both KLs to first order in 1 / n (Miller 1955: bins
    minus one over twice the count).
    """
    from scipy.special import bdtrc

    shares = mode_law(mixture).shares.numpy()
    modes, inside = len(shares), float(shares.sum())
    needed = math.ceil(HELD_SHARE * n / modes)
    return ModeCoverage(
        modes=float((1 - (1 - shares) ** n).sum()),
        modes_held=float(bdtrc(needed - 1, n, shares).sum()),
        high_quality=inside,
        kl=(modes - 1) / (2 * n * inside),
        kl_off_mode=modes / (2 * n),
    )


def _counts(samples: Any, mixture: Modes) -> Tensor:
    """(K + 1,) float64: high-quality samples of each mode; the last: all others."""
    modes = len(mixture.means)
    counts = torch.zeros(modes + 1, dtype=torch.float64)
    for _, mode in assigned(samples, mixture):
        counts += torch.bincount(mode, minlength=modes + 1).cpu()
    return counts


def _expected(mixture: Modes) -> tuple[Tensor, Tensor]:
    """Shares of a perfect sampler: of all samples (K + 1,), of those of high quality (K,)."""
    law = mode_law(mixture)
    outside = torch.tensor([law.outside], dtype=torch.float64)
    return torch.cat([law.shares, outside]), law.shares / law.shares.sum()


def coverage_of(counts: Tensor, mixture: Modes) -> ModeCoverage[float]:
    """The score of counts (K + 1,): high-quality samples of each mode, and all others."""
    every, inside = _expected(mixture)
    return ModeCoverage(
        modes=_visited(counts),
        modes_held=_held(counts),
        high_quality=(counts[:-1].sum() / counts.sum()).item(),
        kl=_kl(counts[:-1], inside),
        kl_off_mode=_kl(counts, every),
    )


def _visited(counts: Tensor) -> int:
    return int((counts[:-1] > 0).sum())


def _held(counts: Tensor) -> int:
    return int((counts[:-1] >= HELD_SHARE * counts.sum() / (len(counts) - 1)).sum())


def _kl(counts: Tensor, q: Tensor) -> float:
    """KL(p, q) in nats of shares p = counts / sum; NaN where all counts are 0.

    A bin with p = 0 contributes nothing, its mass shows in the others.
    """
    p = counts / counts.sum()
    return torch.special.xlogy(p, p / q).sum().item()


def _kl_estimate(counts: Tensor, q: Tensor, level: float) -> Estimate:
    """Normal interval of `_kl` to second order in 1 / n, cut off at 0.

    First order (delta method): sum p ln(p / q)^2 - KL^2 over n. It vanishes at p = q, where 2 n KL
    is chi-squared with K - 1 degrees of freedom, of variance 2 (K - 1). Near there the first term,
    taken at the counts instead of the truth, is too large by about (K - 1) / n^2: a wide interval.
    """
    n, spare, kl = counts.sum().item(), len(counts) - 1, _kl(counts, q)
    if n == 0:
        return Estimate(kl, math.nan, math.nan, math.nan)
    p = counts / n
    squared = torch.special.xlogy(p.sqrt(), p / q).square().sum().item()
    variance = max(squared - kl**2, 0.0) / n + spare / (2 * n**2)
    return within(normal_estimate(kl, math.sqrt(variance), level=level), 0.0, math.inf)
