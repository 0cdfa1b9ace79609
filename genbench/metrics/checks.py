"""What every metric asks of its feature matrices, checked once at the border."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.errors import InputError


def as_tensor(values: Any, *, argument: str, expected: str) -> Tensor:
    """A tensor or anything that holds one's numbers, without a copy where torch can do without.

    NumPy arrays may be reversed, read-only or of another machine's byte order. Raises InputError
    that names `argument` and what was `expected`.
    """
    try:
        if isinstance(values, np.ndarray):
            return _from_numpy(values)
        return torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        kind = f" of {values.dtype}" if isinstance(values, np.ndarray) else ""
        raise InputError(
            f"{argument}: must be {expected}, got {type(values).__name__}{kind}"
        ) from error


def feature_matrix(
    features: Any, *, argument: str, rows: int = 1, largest: float = math.inf
) -> Tensor:
    """`features` as a floating tensor (N, d) on its own device: a tensor or a NumPy array.

    Raises InputError that names `argument` for another type or shape, no column, fewer than `rows`
    rows, a row with NaN or infinity (see `drop_non_finite`), or an entry beyond -+`largest`, of
    which a metric's products would overflow.
    """
    x = as_tensor(features, argument=argument, expected="a tensor or an array (N, d)")
    if x.ndim != 2 or x.shape[1] == 0:
        raise InputError(f"{argument}: must be (N, d) with d >= 1, got shape {tuple(x.shape)}")
    if not x.is_floating_point():
        raise InputError(f"{argument}: must be floating, got {str(x.dtype).removeprefix('torch.')}")
    if len(x) < rows:
        raise InputError(f"{argument}: must have at least {rows} rows, got {len(x)}")
    sizes = _sizes(x)
    bad = (~sizes.isfinite()).nonzero()[:, 0]
    if len(bad):
        raise InputError(
            f"{argument}: must be finite, got NaN or infinity in {len(bad)} of {len(x)} rows, "
            f"first in row {int(bad[0])}"
        )
    if len(sizes) and sizes.max().item() > largest:
        row = int(sizes.argmax())
        raise InputError(
            f"{argument}: values must lie within -+{largest:.3g}, beyond which float64 overflows, "
            f"got {sizes[row].item():.3g} in row {row}"
        )
    return x


def feature_pair(
    *, real: Any, fake: Any, rows: int = 1, largest: float = math.inf
) -> tuple[Tensor, Tensor]:
    """Both as `feature_matrix` has them; raises InputError where width or device differ."""
    a = feature_matrix(real, argument="real", rows=rows, largest=largest)
    b = feature_matrix(fake, argument="fake", rows=rows, largest=largest)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"real and fake: must have the same width, got {a.shape[1]} and {b.shape[1]}"
        )
    if a.device != b.device:
        raise InputError(f"real and fake: must be on one device, got {a.device} and {b.device}")
    return a, b


def count(value: Any, *, argument: str, least: int = 1) -> int:
    """A whole number, Python's or NumPy's, from `least` on; InputError that names `argument`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise InputError(f"{argument}: must be a whole number of at least {least}, got {value!r}")
    return int(value)


def non_finite_rows(features: Tensor) -> Tensor:
    """Indices, in order, of the rows of (N, d) that hold NaN or infinity."""
    return (~_sizes(features).isfinite()).nonzero()[:, 0]


def drop_non_finite(features: Tensor) -> tuple[Tensor, int]:
    """The rows of (N, d) without NaN and infinity, and how many were dropped."""
    bad = non_finite_rows(features)
    if len(bad) == 0:
        return features, 0
    keep = torch.ones(len(features), dtype=torch.bool, device=features.device)
    keep[bad] = False
    return features[keep], len(bad)


def _sizes(x: Tensor) -> Tensor:
    """(N,) the largest entry of each row by size, NaN where there is one."""
    # not x.abs(): a copy of the features
    return torch.maximum(x.amax(dim=1), -x.amin(dim=1))


def _from_numpy(array: np.ndarray) -> Tensor:
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        # of writing to what is read-only: no metric writes to its input
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array) if array.ndim else torch.as_tensor(array)
