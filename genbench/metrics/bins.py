"""Number of statistically different bins. Richardson and Weiss 2018, arXiv 1805.12462.

k-means cuts the reals into bins; a test of two proportions compares the shares of reals and fakes
in each. The paper counts the very rows that placed the bins: fresh rows of the same law may then
differ in far more bins than the level says (57 of 100 at 1,000 rows of 512 normal features). Here
some of the reals place the bins and the others are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import count, feature_pair
from genbench.metrics.intervals import Estimate, counts_estimate, quantile, within

T = TypeVar("T")
FIT_ROWS = 10_000  # at most so many reals place the bins: k-means takes most of the time
LARGEST = 1e150  # entries: squared distances still are float64 numbers
_INDEXED = 4096  # rows taken by number at once
_BLOCK_ENTRIES = 2_000_000  # values read as float64 at once: 16 MB


class DifferentBins(NamedTuple, Generic[T]):
    """How the fakes' shares differ from the reals', over `bins` bins.

    different: bins whose shares differ significantly; share: of all bins, 0..1. jensen_shannon:
    divergence between the shares in nats, 0..ln 2. expected_...: what a perfect sampler gets on
    average, see `different_bins`.
    """

    different: T
    share: T
    jensen_shannon: T
    bins: int
    expected_different: float
    expected_jensen_shannon: float


class Bins:
    """Cells of the nearest of K centers (K, d), float64."""

    def __init__(self, centers: Tensor) -> None:
        self.centers = centers

    @classmethod
    def fit(cls, rows: Tensor, *, bins: int, seed: int = 0) -> Bins:
        """k-means (Lloyd, k-means++, one start) of rows (N, d); fewer bins where rows repeat.

        There are as many bins as different rows where those are fewer than `bins`. The same rows in
        the same order and the same seed give the same bins, whatever the number of threads.
        """
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        x = rows.detach().cpu().double().numpy()
        count = _distinct(x, bins)
        with threadpool_limits(1):  # sums over threads would move the bins
            fitted = KMeans(n_clusters=count, n_init="auto", random_state=seed % 2**32).fit(x)
        return cls(torch.from_numpy(fitted.cluster_centers_))

    def __len__(self) -> int:
        return len(self.centers)

    def counts(self, rows: Tensor) -> Tensor:
        """(K,) float64 on the CPU: how many of rows (N, d) lie nearest to each center."""
        counts = torch.zeros(len(self), dtype=torch.float64)
        centers = self.centers.to(rows.device)
        for block in rows.split(max(1, _BLOCK_ENTRIES // max(len(self), rows.shape[1]))):
            # differences, not the matrix form: it cancels far from the origin, and the bin of a
            # row between two centers would depend on the rows beside it
            distance = torch.cdist(
                block.double(), centers, compute_mode="donot_use_mm_for_euclid_dist"
            )
            counts += torch.bincount(distance.min(dim=1).indices, minlength=len(self)).cpu()
        return counts

    def histogram(self, rows: Tensor) -> Tensor:
        """(K,) float64: share of rows (N, d) in each bin."""
        return self.counts(rows) / len(rows)


def different_bins(
    *, real: Any, fake: Any, bins: int = 100, significance: float = 0.05, seed: int = 0
) -> DifferentBins[float]:
    """In how many of `bins` bins the share of `fake` (M, d) differs from that of `real` (N, d).

    Half of the reals, at most 10,000, drawn by `seed`, place the bins; the others are counted. Bins
    are compared by the two-sided z-test with pooled share p = (a + b) / (A + B),
    z = (a / A - b / B) / sqrt(p (1 - p) (1 / A + 1 / B)); a bin that is empty in both, or holds
    all, does not differ.
    There are fewer bins where the reals have fewer different rows. Depends on the order of the
    reals through the draw.

    expected_different: about significance x bins; exactly, the z-test's size in each bin given the
    bin's total (hypergeometric), since in bins with few rows it is not `significance`.
    expected_jensen_shannon: (K - 1) / 8 (1 / A + 1 / B), first order, K bins that are not empty.

    Floating tensors or arrays. Raises InputError as `feature_pair` does, for significance outside
    (0, 1), bins < 1, or fewer than 2 x bins reals.
    """
    return _score(*_counts(real, fake, bins, seed), _limit(significance))


def different_bins_estimate(
    *,
    real: Any,
    fake: Any,
    bins: int = 100,
    significance: float = 0.05,
    seed: int = 0,
    level: float = 0.95,
    repeats: int = 100,
) -> DifferentBins[Estimate]:
    """`different_bins` with intervals: bootstrap over the fakes, with the bins and reals held.

    They tell where the value would lie for other fakes of the same sampler, as many; too wide near
    a perfect sampler, since resampled fakes differ from the reals more than fakes do.
    """
    a, b = _counts(real, fake, bins, seed)
    limit = _limit(significance)
    score = _score(a, b, limit)

    def estimate(value: float, measured: Callable[[Tensor], float]) -> Estimate:
        return counts_estimate(value, b, measured, level=level, repeats=repeats, seed=seed)

    different = estimate(score.different, lambda drawn: _different(a, drawn, limit))
    divergence = estimate(score.jensen_shannon, lambda drawn: _jensen_shannon(a, drawn))
    different = within(different, 0, len(a))
    share = Estimate(*(number / len(a) for number in different))
    return DifferentBins(different, share, within(divergence, 0, math.log(2)), *score[3:])


def count_different(*, real: Tensor, fake: Tensor, significance: float = 0.05) -> int:
    """In how many bins counts (K,) of reals and of fakes differ, by the test of `different_bins`.

    For bins that stay while fakes change: place and fill them once by `Bins`. Float64 counts.
    Raises InputError for significance outside (0, 1).
    """
    return _different(real, fake, _limit(significance))


def _limit(significance: float) -> float:
    if not 0 < significance < 1:
        raise InputError(f"significance: must be between 0 and 1, got {significance}")
    return quantile(1 - significance)


def _counts(real: Any, fake: Any, bins: int, seed: int) -> tuple[Tensor, Tensor]:
    """Counts (K,) of the reals that did not place the bins, and of the fakes."""
    bins = count(bins, argument="bins")
    real, fake = feature_pair(real=real, fake=fake, largest=LARGEST)
    if len(real) < 2 * bins:
        raise InputError(
            f"real: must have at least 2 x bins = {2 * bins} rows, got {len(real)}; ask for fewer"
        )
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(seed))
    fit = min(len(real) // 2, FIT_ROWS)
    order = order.to(real.device)
    placed = Bins.fit(real[order[:fit]], bins=bins, seed=seed)
    # part by part: no copy of the reals
    held = [placed.counts(real[part]) for part in order[fit:].split(_INDEXED)]
    return torch.stack(held).sum(dim=0), placed.counts(fake)


def _distinct(x: np.ndarray, most: int) -> int:
    """Number of different rows of (N, d), counted up to `most`."""
    seen: set[bytes] = set()
    for row in x:
        seen.add((row + 0.0).tobytes())  # + 0.0: -0 equals 0
        if len(seen) == most:
            break
    return len(seen)


def _score(a: Tensor, b: Tensor, limit: float) -> DifferentBins[float]:
    different = _different(a, b, limit)
    used = int((a + b > 0).sum())
    return DifferentBins(
        different=different,
        share=different / len(a),
        jensen_shannon=_jensen_shannon(a, b),
        bins=len(a),
        expected_different=_expected_different(a, b, limit),
        expected_jensen_shannon=(used - 1) / 8 * (1 / a.sum() + 1 / b.sum()).item(),
    )


def _different(a: Tensor, b: Tensor, limit: float) -> int:
    return int((_z(a, b, a.sum().item(), b.sum().item()).abs() > limit).sum())


def _z(a: Tensor, b: Tensor, real: float, fake: float) -> Tensor:
    """The z-scores of counts a of `real` rows and b of `fake` rows; 0 where nothing can differ."""
    p = (a + b) / (real + fake)
    error = (p * (1 - p) * (1 / real + 1 / fake)).sqrt()
    return ((a / real - b / fake) / error).where(error > 0, 0.0)


def _expected_different(a: Tensor, b: Tensor, limit: float) -> float:
    """Sum over bins of the chance that the test finds a difference between equal laws.

    Given that a bin holds t of all rows, the number of fakes among them is hypergeometric.
    """
    from scipy.special import gammaln

    def log_choose(n: int, k: np.ndarray | int) -> np.ndarray:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    real, fake = int(a.sum()), int(b.sum())
    expected = 0.0
    for total in (a + b).long().tolist():
        drawn = torch.arange(max(0, total - real), min(total, fake) + 1, dtype=torch.float64)
        found = drawn[_z(total - drawn, drawn, real, fake).abs() > limit].numpy()
        chance = log_choose(total, found) + log_choose(real + fake - total, fake - found)
        expected += math.fsum(np.exp(chance - log_choose(real + fake, fake)))
    return expected


def _jensen_shannon(a: Tensor, b: Tensor) -> float:
    p, q = a / a.sum(), b / b.sum()
    m = (p + q) / 2
    terms = torch.special.xlogy(p, p / m) + torch.special.xlogy(q, q / m)
    return max(terms.nansum().item() / 2, 0.0)  # rounding: equal shares give 0, never less
