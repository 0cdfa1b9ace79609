"""The Frechet distance that a perfect sampler has, because both sets are finite.

Second-order expansion of the Bures distance (Malago et al. 2018, arXiv 1801.09269) under the
sampling covariance of Gaussian rows; for a standard normal law against its exact moments it is the
known d / N + d (d + 1) / (4 (N - 1)).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import feature_matrix
from genbench.metrics.frechet import LARGEST, Side, side_of_rows
from genbench.metrics.reductions import gram, single_threaded


@single_threaded()
def expected_frechet_distance(*, real: Any, samples: int) -> float:
    """What `samples` rows of the law behind `real` (N, d) score on average against `real`.

    Tensor or NumPy array of any floating dtype. Features are taken as Gaussian with the covariance
    of `real`; first order in d / N and d / samples. Errors: InputError for a bad matrix, or fewer
    than 2 d rows on either side, where the first order says nothing.
    """
    rows = feature_matrix(real, argument="real", rows=2, largest=LARGEST)
    for name, count in (("real", len(rows)), ("samples", samples)):
        if count < 2 * rows.shape[1]:
            raise InputError(f"{name}: must be at least 2 d = {2 * rows.shape[1]}, got {count}")
    return expected_distance(side_of_rows(rows), len(rows), samples)


def expected_distance(law: Side, n: int, m: int) -> float:
    """The same of n and m rows of a Gaussian law."""
    values = torch.linalg.eigvalsh(gram(law.root)).clamp(min=0)  # (r,), those that are not 0
    spread = _pairs(values) / 2 + law.trace / 4
    return (1 / n + 1 / m) * law.trace + (1 / (n - 1) + 1 / (m - 1)) * spread


def _pairs(values: Tensor) -> float:
    """Sum over all i, j of l_i l_j / (l_i + l_j); pairs of zeros add nothing."""
    both = values[:, None] + values
    return (values[:, None] * values / both).nan_to_num(0.0).sum().item()
