"""Kullback-Leibler divergence from k-th nearest neighbours.

Perez-Cruz 2008, "Kullback-Leibler divergence estimation of continuous distributions", ISIT.
"""

from __future__ import annotations

import math
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import count, feature_pair
from genbench.metrics.intervals import Estimate, normal_estimate
from genbench.metrics.nearest import Meter, Progress, nearest_in, nearest_others, points

T = TypeVar("T")
_GROUPS = 20


class KNNDivergence(NamedTuple, Generic[T]):
    """divergence: KL(real || fake); floor: what real rows get against real rows. Both nats."""

    divergence: T
    floor: T


def knn_divergence(
    *,
    real: Any,
    fake: Any,
    k: int = 5,
    splits: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> KNNDivergence[float]:
    """KL(real || fake) in nats of `real` (N, d) and `fake` (M, d), d / N sum ln(s / r) + ln(M / (N
    - 1)): s and r are distances of a real row to its k-th nearest fake and its k-th nearest other
    real row (equation 14 with both k alike).

    Tensors of any floating dtype on one device, or NumPy arrays. The estimate is consistent but
    biased at finite size, the more the higher d, and may be negative. floor is the bias to hold
    it against: the same formula on `splits` random partitions of the real rows into two parts with
    sizes as N : M, averaged; where N and M differ much, or are far from what the parts have, so is
    the bias. A distance of 0 (k copies of a row) counts as the smallest positive one of all: the
    value stays finite, and falls far below the floor where fakes are copies of real rows.
    progress(done, of) is called between parts of the work, in pairs of rows.
    Raises InputError for types, shapes, values that are not finite, or too few rows: k, of
    `real` 2 k + 1.
    """
    terms, floors = _terms(real, fake, k, splits, seed, progress)
    return KNNDivergence(terms.mean().item(), floors.mean().item())


def knn_divergence_estimate(
    *,
    real: Any,
    fake: Any,
    k: int = 5,
    splits: int = 4,
    seed: int = 0,
    level: float = 0.95,
    progress: Progress | None = None,
) -> KNNDivergence[Estimate]:
    """`knn_divergence` with Student's intervals.

    divergence: the spread of the same formula over up to 20 groups, disjoint parts of both sets
    (4 (k + 1) rows of each at least), over the root of their number: what other rows of either
    kind would change. The bias is not in it. floor: of the mean over splits (at least 2), which
    share rows.
    """
    if splits < 2:
        raise InputError(f"splits: an interval needs at least 2, got {splits}")
    terms, floors = _terms(real, fake, k, splits, seed, progress)
    spread, groups = _group_spread(*feature_pair(real=real, fake=fake), k, seed)
    error = floors.std().item() / math.sqrt(splits)
    return KNNDivergence(
        normal_estimate(terms.mean().item(), spread, level=level, degrees=groups - 1),
        normal_estimate(floors.mean().item(), error, level=level, degrees=splits - 1),
    )


def _group_spread(real: Tensor, fake: Tensor, k: int, seed: int) -> tuple[float, int]:
    """Standard error of the divergence, and of how many groups it comes. That of the mean of its
    terms would be too small: rows that are neighbours have terms alike, and all see the same
    fakes."""
    groups = min(_GROUPS, min(len(real), len(fake)) // (2 * (k + 1)))
    if groups < 2:
        raise InputError(
            f"real and fake: an interval needs at least 4 (k + 1) = {4 * (k + 1)} rows of each, "
            f"got {len(real)} and {len(fake)}"
        )
    rng = torch.Generator().manual_seed(seed)
    parts = [x[torch.randperm(len(x), generator=rng).to(x.device)] for x in (real, fake)]
    found = [
        _divergence_terms(a, b, k, Meter(None, 0)).mean()
        for a, b in zip(*(x.tensor_split(groups) for x in parts), strict=True)
    ]
    return torch.stack(found).std().item() / math.sqrt(groups), groups


def _terms(
    real: Any, fake: Any, k: int, splits: int, seed: int, progress: Progress | None
) -> tuple[Tensor, Tensor]:
    """(N,) terms of the mean, and (splits,) floors."""
    k, splits = count(k, argument="k"), count(splits, argument="splits")
    real, fake = feature_pair(real=real, fake=fake, rows=k)
    n, m = len(real), len(fake)
    if n < 2 * k + 1:
        raise InputError(f"real: must have at least 2 k + 1 = {2 * k + 1} rows, got {n}")
    a = min(max(round(n * n / (n + m)), k + 1), n - k)  # rows of a part that stand for real
    meter = Meter(progress, n * n // 2 + n * m + splits * (a * a // 2 + a * (n - a)))
    terms = _divergence_terms(real, fake, k, meter)
    rng = torch.Generator().manual_seed(seed)
    floors = []
    for _ in range(splits):
        order = torch.randperm(n, generator=rng).to(real.device)
        floors.append(_divergence_terms(real[order[:a]], real[order[a:]], k, meter).mean())
    return terms, torch.stack(floors)


def _divergence_terms(real: Tensor, fake: Tensor, k: int, meter: Meter) -> Tensor:
    """(N,) float64; their mean is the divergence."""
    x, y = points(real, fake)
    r = nearest_others(x, k, meter)[:, -1]  # (N,) squared
    s = nearest_in(x, y, k, meter)[0][:, -1]
    both = torch.stack([r, s])
    positive = both[both > 0]
    least = positive.min() if len(positive) else both.new_ones(())
    r, s = both.clamp(min=least)
    (n, d), m = real.shape, len(fake)
    return d / 2 * (s / r).log() + math.log(m / (n - 1))  # half: the distances are squared
