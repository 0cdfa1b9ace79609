"""Inception score: certain predictions of many classes. Salimans et al. 2016, arXiv 1606.03498."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import feature_matrix
from genbench.metrics.intervals import Estimate, normal_estimate
from genbench.metrics.reductions import single_threaded

ROUNDING = 8  # a row of C probabilities may miss 1 by so many roundings, and C / 8 more


class InceptionScore(NamedTuple):
    """Mean and standard deviation (over the count) over the splits; 1 to the number of classes."""

    mean: float
    std: float


@single_threaded()
def inception_score(
    probabilities: Any, *, splits: int = 10, seed: int | None = 2020
) -> InceptionScore:
    """exp of the mean KL(p(y | x), p(y)), nats, for class probabilities (N, C) of any classifier.

    p(y) is the mean over a split; the rows are shuffled by `seed` into `splits` (None: as they
    come), as torch-fidelity does. Computed in float64 from rows divided by their sums. C where each
    prediction is certain and all classes are equally frequent, 1 where all rows are equal.
    Errors: InputError for shapes, dtypes, values that are not finite or below 0, rows that do not
    sum to 1 within their dtype's rounding, fewer rows than splits.
    """
    scores = torch.tensor([s for s, _ in _splits(probabilities, splits, seed)], dtype=torch.float64)
    return InceptionScore(scores.mean().item(), scores.std(correction=0).item())


@single_threaded()
def inception_score_estimate(
    probabilities: Any, *, splits: int = 10, seed: int | None = 2020, level: float = 0.95
) -> Estimate:
    """The mean of `inception_score` with a normal interval, in closed form (delta method).

    The derivative of log score by a row is its KL less the mean, so that the spread of the rows'
    KL gives the error. The interval holds the mean score of splits of this size; that such a split
    scores higher than a large one stays in it. Needs 2 rows a split.
    """
    parts = list(_splits(probabilities, splits, seed))
    if min(len(kl) for _, kl in parts) < 2:
        raise InputError(
            f"probabilities: an interval needs at least 2 splits = {2 * splits} rows, "
            f"got {sum(len(kl) for _, kl in parts)}"
        )
    value = sum(score for score, _ in parts) / splits
    variance = sum(score**2 * kl.var().item() / len(kl) for score, kl in parts) / splits**2
    return normal_estimate(value, variance**0.5, level=level)


def _splits(probabilities: Any, splits: int, seed: int | None) -> list[tuple[float, Tensor]]:
    """Score and KL of each row, nats, of every split."""
    p = _checked(probabilities)
    if not 1 <= splits <= len(p):
        raise InputError(
            f"splits: must be from 1 to the {len(p)} rows of probabilities, got {splits}"
        )
    if seed is not None:
        p = p[torch.from_numpy(np.random.RandomState(seed).permutation(len(p))).to(p.device)]
    found = []
    for i in range(splits):
        part = p[i * len(p) // splits : (i + 1) * len(p) // splits]
        kl = torch.special.xlogy(part, part / part.mean(dim=0))  # 0 ln 0 = 0; 0 / 0 only there
        kl = kl.where(part > 0, 0.0).sum(dim=1)
        found.append((kl.mean().exp().item(), kl))
    return found


def _checked(probabilities: Any) -> Tensor:
    """(N, C) float64, rows that sum to 1."""
    given = feature_matrix(probabilities, argument="probabilities")
    p = given.double()
    total = p.sum(dim=1)
    allowed = (ROUNDING + p.shape[1] / ROUNDING) * torch.finfo(given.dtype).eps
    for wrong, rule, of in (
        (p.amin(dim=1) < 0, "be at least 0", p.amin(dim=1)),
        ((total - 1).abs() > allowed, "sum to 1", total),
    ):
        rows = wrong.nonzero()[:, 0]
        if len(rows):
            raise InputError(
                f"probabilities: every row must {rule}, got {of[rows[0]].item():.6g} "
                f"in row {int(rows[0])}"
            )
    return p / total[:, None]
