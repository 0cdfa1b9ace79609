"""Does a model copy its training set? Authenticity, copies, and a test against held-out rows.

Alaa et al. 2022 (arXiv 2102.08921), section 5; Meehan, Chaudhuri, Dasgupta 2020 (arXiv 2004.05675).
"""

from __future__ import annotations

import math
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import feature_matrix, feature_pair
from genbench.metrics.intervals import Estimate, normal_estimate, share_estimate
from genbench.metrics.nearest import Meter, Points, Progress, nearest_in, nearest_others, points

T = TypeVar("T")
NEAR = 0.1  # of the median distance between real neighbours: a near copy
PAIRS = 10  # closest pairs that are listed


class ClosePair(NamedTuple):
    """Rows of `fake` and `real`, and their distance in median distances of real neighbours."""

    fake: int
    real: int
    distance: float


class Memorization(NamedTuple, Generic[T]):
    """authentic, authentic_perfect: shares in 0..1 of fakes, and of real rows in their place.

    exact_copies, near_copies: fakes equal to a real row, and fakes nearer to one than a tenth of
    the median distance between real neighbours (exact ones included); near_copies_perfect: how
    many of the latter a perfect sampler would have. closest: the nearest pairs, nearest first.
    c_t: in standard deviations, negative where fakes lie closer to the real rows than held-out
    rows do; None without those.
    """

    authentic: T
    authentic_perfect: T
    exact_copies: int
    near_copies: int
    near_copies_perfect: float
    closest: list[ClosePair]
    c_t: T | None


def memorization(
    *,
    real: Any,
    fake: Any,
    held_out: Any = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Memorization[float]:
    """Whether `fake` (M, d) repeats `real` (N, d), the rows that the model was trained on.

    Tensors of any floating dtype on one device, or NumPy arrays; N >= 4. A fake is authentic unless
    it is closer to its nearest real row than that row is to its nearest other, or equal to it.
    Perfect samples are not all authentic (38 % in a plane, where 62 % of nearest neighbours are
    mutual): authentic_perfect is the share among real rows, each half of them (random, by `seed`)
    judged against the other. With `held_out` (H, d), further real rows that the model has not seen,
    c_t is the statistic of Meehan et al. over the whole space (their cells are not used): Mann and
    Whitney's U of the distances to `real`, standardised, ties corrected. Below -3 the model
    copies; far above 3 its samples lie farther out than real ones.
    progress(done, of) is called between parts of the work, in pairs of rows.
    Raises InputError for types, shapes, too few rows and values that are not finite.
    """
    found = _find(real, fake, held_out, seed, progress)
    return Memorization(
        authentic=found.authentic / found.fakes,
        authentic_perfect=found.halves_authentic / found.reals,
        **found.copies(),
        c_t=found.c_t,
    )


def memorization_estimate(
    *,
    real: Any,
    fake: Any,
    held_out: Any = None,
    seed: int = 0,
    level: float = 0.95,
    progress: Progress | None = None,
) -> Memorization[Estimate]:
    """`memorization` with intervals, conditional on the real rows.

    Wilson's for the share of fakes, and for that of real rows, whose outcomes are taken as
    independent; c_t has standard error 1 by construction.
    """
    found = _find(real, fake, held_out, seed, progress)
    c_t = None if found.c_t is None else normal_estimate(found.c_t, 1.0, level=level)
    return Memorization(
        authentic=share_estimate(found.authentic, found.fakes, level=level),
        authentic_perfect=share_estimate(found.halves_authentic, found.reals, level=level),
        **found.copies(),
        c_t=c_t,
    )


class _Found(NamedTuple):
    fakes: int
    reals: int
    authentic: int
    halves_authentic: int
    exact: int
    near: int
    halves_near: int
    closest: list[ClosePair]
    c_t: float | None

    def copies(self) -> dict[str, Any]:
        return {
            "exact_copies": self.exact,
            "near_copies": self.near,
            "near_copies_perfect": self.halves_near / self.reals * self.fakes,
            "closest": self.closest,
        }


class _Judged(NamedTuple):
    authentic: int
    near: int
    distance: Tensor  # (M,) to the nearest real row, squared
    nearest: Tensor  # (M,) its number
    typical: Tensor  # () median distance between real neighbours, squared


def _find(real: Any, fake: Any, held_out: Any, seed: int, progress: Progress | None) -> _Found:
    real, fake = feature_pair(real=real, fake=fake)
    if len(real) < 4:  # two rows in each half: one neighbour each
        raise InputError(f"real: must have at least 4 rows, got {len(real)}")
    held = None if held_out is None else _held_out(held_out, real)
    n, m, h = len(real), len(fake), 0 if held is None else len(held)
    half = n // 2
    meter = Meter(
        progress,
        n * n // 2 + n * (m + h) + half**2 // 2 + (n - half) ** 2 // 2 + 2 * half * (n - half),
    )
    x, y, *rest = points(real, fake, *([] if held is None else [held]))
    judged = _judge(x, y, meter)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).to(real.device)
    a, b = points(real[order[:half]], real[order[half:]])
    halves = [_judge(a, b, meter), _judge(b, a, meter)]
    c_t = _c_t(judged.distance, nearest_in(rest[0], x, 1, meter)[0][:, 0]) if rest else None
    return _Found(
        fakes=m,
        reals=n,
        authentic=judged.authentic,
        halves_authentic=sum(part.authentic for part in halves),
        exact=int((judged.distance == 0).sum()),
        near=judged.near,
        halves_near=sum(part.near for part in halves),
        closest=_closest(judged),
        c_t=c_t,
    )


def _held_out(held_out: Any, real: Tensor) -> Tensor:
    held = feature_matrix(held_out, argument="held_out")
    if held.shape[1] != real.shape[1] or held.device != real.device:
        raise InputError(
            f"held_out: must have the width {real.shape[1]} and the device {real.device} of real, "
            f"got {held.shape[1]} and {held.device}"
        )
    return held


def _judge(x: Points, y: Points, meter: Meter) -> _Judged:
    apart = nearest_others(x, 1, meter)[:, 0]  # (N,)
    distance, nearest = (found[:, 0] for found in nearest_in(y, x, 1, meter))
    # the second: a copy of a row that has a twin
    copied = (distance < apart[nearest]) | (distance == 0)
    typical = apart.median()
    return _Judged(
        authentic=int((~copied).sum()),
        near=int((distance <= NEAR**2 * typical).sum()),
        distance=distance,
        nearest=nearest,
        typical=typical,
    )


def _closest(judged: _Judged) -> list[ClosePair]:
    order = judged.distance.argsort(stable=True)[:PAIRS]
    pairs = []
    for fake in order.tolist():
        ratio = (judged.distance[fake] / judged.typical).sqrt().item()
        # nan: 0 / 0, where most real rows have twins
        distance = 0.0 if math.isnan(ratio) else ratio
        pairs.append(ClosePair(fake, int(judged.nearest[fake]), distance))
    return pairs


def _c_t(fake: Tensor, held: Tensor) -> float:
    """(U - m h / 2) / its standard deviation; U counts pairs in which the fake is farther out."""
    m, h = len(fake), len(held)
    every = torch.cat([fake, held])
    _, place, counts = every.unique(return_inverse=True, return_counts=True)
    counts = counts.double()
    # the mean rank of equal values: Mann and Whitney 1947 with ties as Lehmann 1975
    ranks = counts.cumsum(0) - (counts - 1) / 2
    u = ranks[place[:m]].sum().item() - m * (m + 1) / 2
    total = m + h
    ties = (counts**3 - counts).sum().item() / (total * (total - 1))
    variance = m * h / 12 * (total + 1 - ties)
    return (u - m * h / 2) / math.sqrt(variance) if variance > 0 else 0.0
