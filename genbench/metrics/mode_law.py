"""What a mixture's own samples have in each of its modes: the reference of coverage and spread.

Published rule (Srivastava et al. 2017, arXiv 1705.07761): a sample is of high quality within three
standard deviations of a mode. Three hold 98.889 % of a Gaussian in the plane and next to nothing
of one in 700 dimensions, so in more than two the radius is the one that holds 98.889 % there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import feature_matrix

RADIUS = 3.0  # standard deviations, in one and two dimensions
HELD_SHARE = 0.2  # of a mode's weight
_OUTSIDE = math.exp(-4.5)  # of a Gaussian in the plane, beyond three standard deviations
_CLEAR = 6.0  # standard deviations between a mode and another's ball: 1e-9 of it lies farther
_DRAWS = 2**19  # simulated where modes overlap
_ENTRIES = 2**22  # distances, or coordinates, held at once
_FEW = 32  # columns up to which differences are cheaper than a product


class Modes(Protocol):
    """Equally weighted Gaussians, as `genbench.data.mixture` gives: means (K, D) float64, sigma.

    One whose noise lies in a subspace also has `basis` (D, d), orthonormal columns.
    """

    @property
    def means(self) -> Tensor: ...
    @property
    def sigma(self) -> float: ...


class ModeLaw(NamedTuple):
    """shares (K,) float64: of all samples, those of high quality in each mode; outside: all others.

    variances (K,) float64: trace of the covariance of the high-quality samples of a mode.
    """

    shares: Tensor
    outside: float
    variances: Tensor


def dimensions(mixture: Modes) -> int:
    """In how many dimensions a mode spreads."""
    basis = getattr(mixture, "basis", None)
    return mixture.means.shape[1] if basis is None else basis.shape[1]


@lru_cache
def quality_radius(d: int) -> float:
    """How many sigma a high-quality sample may lie from its mode in d dimensions.

    3 for d <= 2, else the radius that holds 1 - exp(-4.5) of a d-dimensional Gaussian, as 3 does
    in the plane: 4.8 for d = 10, 28.1 for d = 700.
    """
    from scipy.special import chdtri

    return RADIUS if d <= 2 else math.sqrt(chdtri(d, _OUTSIDE))


def high_quality_mass(mixture: Modes) -> float:
    """Mass of a Gaussian within `quality_radius`: 1 - exp(-4.5) from two dimensions on."""
    from scipy.special import chdtr

    d = dimensions(mixture)
    return float(chdtr(d, RADIUS**2)) if d <= 2 else 1 - _OUTSIDE


def mode_law(mixture: Modes) -> ModeLaw:
    """Shares and variances of a perfect sampler.

    In closed form where the modes lie apart: the balls of high quality do not meet, and each is six
    sigma from any other mode. Otherwise from some 500,000 draws with a fixed seed, as many of every
    mode, since a sample then counts for its nearest mode whichever it was drawn from.
    """
    means = mixture.means.detach().cpu().double()
    basis = getattr(mixture, "basis", None)
    if basis is not None:
        means = means @ basis  # distances are those within the subspace
    means = means.contiguous()
    return _law(means.numpy().tobytes(), tuple(means.shape), float(mixture.sigma))


def assigned(samples: Any, mixture: Modes) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks of checked samples (B, D), float64, and their mode numbers (B,).

    Number K: no high-quality sample of any. A tensor or a NumPy array (N, D); raises InputError
    for another width, no samples, or values that are not finite.
    """
    modes, width = mixture.means.shape
    samples = feature_matrix(samples, argument="samples")
    if samples.shape[1] != width:
        raise InputError(f"samples: must be (N, {width}), got shape {tuple(samples.shape)}")
    means = mixture.means.to(samples.device)
    limit = quality_radius(dimensions(mixture)) * mixture.sigma
    for block in samples.split(max(1, _ENTRIES // max(modes, width))):
        x = block.to(torch.float64)
        nearest, distance = _nearest(x, means, limit)
        yield x, nearest.where(distance <= limit, modes)


class Tally(NamedTuple):
    """Of the samples of each mode, number K for all others: float64 on the CPU.

    counts (K + 1,); sums (K + 1, D) of their offsets from the mode's mean; squares (K + 1,) of the
    offsets' squared lengths.
    """

    counts: Tensor
    sums: Tensor
    squares: Tensor


def tally(samples: Any, mixture: Modes) -> Tally:
    """One pass over samples (N, D); errors are those of `assigned`."""
    modes, width = mixture.means.shape
    shapes = ((modes + 1,), (modes + 1, width), (modes + 1,))
    found = Tally(*(torch.zeros(shape, dtype=torch.float64) for shape in shapes))
    means = torch.cat([mixture.means, torch.zeros(1, width, dtype=torch.float64)])
    for x, mode in assigned(samples, mixture):
        offset = x - means.to(x.device)[mode]
        zeros = Tally(*(torch.zeros_like(part, device=x.device) for part in found))
        found.counts.add_(torch.bincount(mode, minlength=modes + 1).cpu())
        found.sums.add_(zeros.sums.index_add_(0, mode, offset).cpu())
        squared = torch.linalg.vector_norm(offset, dim=1).square_()
        found.squares.add_(zeros.squares.index_add_(0, mode, squared).cpu())
    return found


def _nearest(x: Tensor, means: Tensor, limit: float) -> tuple[Tensor, Tensor]:
    """(B,) numbers of the nearest means and (B,) distances to them.

    By differences in few columns; in many by one matrix product, whose distances are measured again
    by differences unless what it may lose where it cancels is small beside the limit.
    """
    if x.shape[1] <= _FEW:
        distance = torch.cdist(x, means, compute_mode="donot_use_mm_for_euclid_dist")
        found = distance.min(dim=1)
        return found.indices, found.values
    center = means.mean(dim=0)
    x, means = x - center, means - center
    found = torch.cdist(x, means, compute_mode="use_mm_for_euclid_dist").min(dim=1)
    # roundings of |x|^2 + |m|^2 (Higham 2002, section 3.1), x as far as the limit from its mode
    lost = 16 * (x.shape[1] + 8) * 2.0**-53 * (means.square().sum(dim=1).max().item() + limit**2)
    if lost < 1e-9 * limit**2:
        return found.indices, found.values
    return found.indices, torch.linalg.vector_norm(x - means[found.indices], dim=1)


@lru_cache(maxsize=32)
def _law(content: bytes, shape: tuple[int, int], sigma: float) -> ModeLaw:
    means = torch.frombuffer(bytearray(content), dtype=torch.float64).view(shape)
    radius = quality_radius(shape[1])
    apart = _least_distance(means) / sigma >= max(2 * radius, radius + _CLEAR)
    return _closed(*shape, sigma) if apart else _simulated(means, sigma)


def _least_distance(means: Tensor) -> float:
    least = math.inf
    for first in range(0, len(means), step := max(1, _ENTRIES // len(means))):
        block = means[first : first + step]
        distance = torch.cdist(block, means, compute_mode="donot_use_mm_for_euclid_dist")
        own = torch.arange(len(block))
        distance[own, first + own] = math.inf
        least = min(least, distance.min().item())
    return least


def _closed(modes: int, d: int, sigma: float) -> ModeLaw:
    """Of a Gaussian cut off at radius r sigma: E |x|^2 = d sigma^2 F_{d+2}(r^2) / F_d(r^2), where
    F_d is the chi-squared distribution function."""
    from scipy.special import chdtr, chdtrc

    squared = quality_radius(d) ** 2
    inside = float(chdtr(d, squared))
    variance = d * sigma**2 * float(chdtr(d + 2, squared)) / inside
    filled = torch.ones(modes, dtype=torch.float64)
    # not 1 - inside, which loses digits
    return ModeLaw(filled * (inside / modes), float(chdtrc(d, squared)), filled * variance)


class _Fixed(NamedTuple):
    means: Tensor
    sigma: float


def _simulated(means: Tensor, sigma: float) -> ModeLaw:
    modes, d = means.shape
    each = max(16, min(_DRAWS, 2**24 // d) // modes)
    rng = torch.Generator().manual_seed(0)
    total: Tally | None = None
    for several in means.split(max(1, _ENTRIES // (each * d))):
        noise = torch.randn(len(several), each, d, generator=rng, dtype=torch.float64)
        found = tally((several[:, None] + sigma * noise).flatten(0, 1), _Fixed(means, sigma))
        total = found if total is None else Tally(*map(torch.add, total, found))
    assert total is not None  # there is a mode
    counts, sums, squares = total
    held = counts.clamp(min=0.5)  # half a draw: a divergence from these shares stays finite
    shares = held / held.sum()
    variances = (squares / held - (sums / held[:, None]).square().sum(dim=1))[:-1]
    return ModeLaw(shares[:-1], shares[-1].item(), variances)
