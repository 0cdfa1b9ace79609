"""What every metric asks of its feature matrices, checked once at the border."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genbench.errors import InputError


def feature_matrix(features: Any, *, argument: str, rows: int = 1) -> Tensor:
    """`features` as a floating tensor (N, d) on its own device: a tensor or a NumPy array.

    Raises InputError that names `argument` for another type or shape, no column, fewer than `rows`
    rows, or a row with NaN or infinity (see `drop_non_finite`).
    """
    x = features if isinstance(features, Tensor) else _from_numpy(features, argument)
    if x.ndim != 2 or x.shape[1] == 0:
        raise InputError(f"{argument}: must be (N, d) with d >= 1, got shape {tuple(x.shape)}")
    if not x.is_floating_point():
        raise InputError(f"{argument}: must be floating, got {str(x.dtype).removeprefix('torch.')}")
    if len(x) < rows:
        raise InputError(f"{argument}: must have at least {rows} rows, got {len(x)}")
    bad = non_finite_rows(x)
    if len(bad):
        raise InputError(
            f"{argument}: must be finite, got NaN or infinity in {len(bad)} of {len(x)} rows, "
            f"first in row {int(bad[0])}"
        )
    return x.detach()


def feature_pair(*, real: Any, fake: Any, rows: int = 1) -> tuple[Tensor, Tensor]:
    """Both as `feature_matrix` has them; raises InputError where width or device differ."""
    a = feature_matrix(real, argument="real", rows=rows)
    b = feature_matrix(fake, argument="fake", rows=rows)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"real and fake: must have the same width, got {a.shape[1]} and {b.shape[1]}"
        )
    if a.device != b.device:
        raise InputError(f"real and fake: must be on one device, got {a.device} and {b.device}")
    return a, b


def non_finite_rows(features: Tensor) -> Tensor:
    """Indices, in order, of the rows of (N, d) that hold NaN or infinity."""
    # max of |x| is NaN or infinite where any entry is: one pass and N bytes, not N x d
    return (~features.abs().amax(dim=1).isfinite()).nonzero()[:, 0]


def drop_non_finite(features: Tensor) -> tuple[Tensor, int]:
    """The rows of (N, d) without NaN and infinity, and how many were dropped."""
    bad = non_finite_rows(features)
    if len(bad) == 0:
        return features, 0
    keep = torch.ones(len(features), dtype=torch.bool, device=features.device)
    keep[bad] = False
    return features[keep], len(bad)


def _from_numpy(features: Any, argument: str) -> Tensor:
    try:
        return torch.as_tensor(features)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{argument}: must be a tensor or an array (N, d), got {type(features).__name__}"
        ) from error
