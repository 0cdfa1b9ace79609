"""Mode coverage of samples against a mixture whose modes are known.

Published rule (Srivastava et al. 2017, VEEGAN; Lin et al. 2018, PacGAN): a sample is of high
quality within three standard deviations of a mode. `modes_held` is stricter: a uniform cloud visits
every mode, but does not hold its weight.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

RADIUS = 3.0  # standard deviations
HELD_SHARE = 0.2  # of a mode's weight
_ROWS = 16_384  # samples a block: bounds the distance matrix


class Modes(Protocol):
    """Equally weighted Gaussians, as `genbench.data.mixture` gives: means (K, d) float64, sigma."""

    @property
    def means(self) -> Tensor: ...
    @property
    def sigma(self) -> float: ...


class ModeCoverage(NamedTuple):
    """modes, modes_held: counts (expected counts for a perfect sampler). high_quality: share 0..1.

    kl: sum p ln(p / weight) over high-quality samples, nats; NaN when there are none.
    kl_off_mode: the same with one more bin for all other samples, nats.
    """

    modes: float
    modes_held: float
    high_quality: float
    kl: float
    kl_off_mode: float


def mode_coverage(samples: Tensor, mixture: Modes) -> ModeCoverage:
    """Score samples (N, d), any floating dtype, in the mixture's units; distances in float64.

    A sample belongs to its nearest mode and is of high quality when no farther than three sigma.
    modes: modes with at least one such sample; modes_held: with at least a fifth of the mode's
    weight. Raises ValueError for another width, no samples, or values that are not finite.
    """
    counts = _high_quality_counts(samples, mixture)  # (K,) float64
    total, modes = len(samples), len(mixture.means)
    good = counts.sum().item()
    inside = high_quality_mass(mixture)
    weights = torch.full((modes,), 1 / modes, dtype=torch.float64)
    bins = torch.cat([counts, torch.tensor([total - good], dtype=torch.float64)]) / total
    expected = torch.cat([weights * inside, torch.tensor([1 - inside], dtype=torch.float64)])
    return ModeCoverage(
        modes=int((counts > 0).sum()),
        modes_held=int((counts >= HELD_SHARE * total / modes).sum()),
        high_quality=good / total,
        kl=_kl(counts / good, weights) if good else math.nan,
        kl_off_mode=_kl(bins, expected),
    )


def perfect_sampler(mixture: Modes, n: int) -> ModeCoverage:
    """What n samples of the mixture itself score on average: the floor beside every row.

    Modes are taken as far apart; both KLs to first order in 1 / n (Miller 1955: bins minus one over
    twice the count).
    """
    from scipy.stats import binom

    modes = len(mixture.means)
    inside = high_quality_mass(mixture)
    hit = inside / modes
    needed = math.ceil(HELD_SHARE * n / modes)
    return ModeCoverage(
        modes=modes * (1 - (1 - hit) ** n),
        modes_held=modes * float(binom.sf(needed - 1, n, hit)),
        high_quality=inside,
        kl=(modes - 1) / (2 * n * inside),
        kl_off_mode=modes / (2 * n),
    )


def _high_quality_counts(samples: Tensor, mixture: Modes) -> Tensor:
    """(K,) float64: samples within three sigma of each mode, each counted at its nearest."""
    modes, dimensions = mixture.means.shape
    if samples.ndim != 2 or samples.shape[1] != dimensions:
        raise ValueError(f"samples must be (N, {dimensions}), got shape {tuple(samples.shape)}")
    if len(samples) == 0:
        raise ValueError("samples must hold at least one row, got 0")
    finite = samples.isfinite().all(dim=1)
    if not finite.all():
        row = int((~finite).nonzero()[0, 0])
        raise ValueError(f"samples must be finite, got {samples[row].tolist()} in row {row}")
    counts = torch.zeros(modes, dtype=torch.float64)
    means = mixture.means.to(samples.device)
    for block in samples.to(torch.float64).split(_ROWS):
        distance = torch.cdist(block, means, compute_mode="donot_use_mm_for_euclid_dist")
        nearest = distance.min(dim=1)
        inside = nearest.indices[nearest.values <= RADIUS * mixture.sigma]
        counts += torch.bincount(inside, minlength=modes).cpu()
    return counts


def high_quality_mass(mixture: Modes) -> float:
    """Mass of a Gaussian within three sigma: 1 - exp(-4.5) in two dimensions, less in more."""
    from scipy.stats import chi2

    return float(chi2.cdf(RADIUS**2, mixture.means.shape[1]))


def _kl(p: Tensor, q: Tensor) -> float:
    """KL(p, q) in nats; a bin with p = 0 contributes nothing, its mass shows in the others."""
    return torch.special.xlogy(p, p / q).sum().item()
