"""Bits per dimension and nats. Theis, van den Oord and Bethge 2016, arXiv 1511.01844.

Data with K levels, 0..K - 1 in each of D dimensions, get uniform noise, x in [0, K)^D, and are
scaled to y in [a, b)^D. A density of y is a density of x after the change of variables

    log p(x) = log p(y) + D ln((b - a) / K),
    bits per dimension = -log p(x) / (D ln 2) = -log p(y) / (D ln 2) + log2(K / (b - a)),

whose mean is at least the bits that the levels themselves would take (Jensen).
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import as_tensor, count
from genbench.metrics.intervals import Estimate, mean, mean_estimate


def bits_per_dim(
    log_likelihood: Any,
    *,
    dimensions: int,
    bins: int = 256,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> float:
    """Mean bits per dimension of log-densities (N,) in nats, one for each dequantised sample.

    dimensions: D, all values of a sample (3,072 for 3 x 32 x 32). bins: K. value_range: (a, b), to
    which the model's data were scaled from [0, K): (0, 1), or (-1, 1); levels that were divided by
    K - 1 lie in (0, K / (K - 1)). None: the density is one of x itself, or the values are
    log-probabilities of the levels; then nothing is shifted.

    A density of zero (-inf) counts: the mean is infinite. Floating, tensor or array. Raises
    InputError for NaN or +inf (names the row), other shapes, dimensions or bins < 1, a >= b.
    """
    return mean(_bits(log_likelihood, dimensions, bins, value_range))


def bits_per_dim_estimate(
    log_likelihood: Any,
    *,
    dimensions: int,
    bins: int = 256,
    value_range: tuple[float, float] | None = (0.0, 1.0),
    level: float = 0.95,
) -> Estimate:
    """`bits_per_dim` with the normal interval of a mean over independent samples; N >= 2."""
    bits = _bits(log_likelihood, dimensions, bins, value_range, rows=2)
    return mean_estimate(bits, level=level)


def nats(log_likelihood: Any) -> float:
    """Mean negative log-likelihood of a sample in nats, of log_likelihood (N,) in nats as it is.

    In the units the model's data had: those of one scaling do not compare with those of another.
    Input and errors as in `bits_per_dim`.
    """
    return mean(-_checked(log_likelihood, rows=1))


def nats_estimate(log_likelihood: Any, *, level: float = 0.95) -> Estimate:
    """`nats` with the normal interval of a mean over independent samples; N >= 2."""
    return mean_estimate(-_checked(log_likelihood, rows=2), level=level)


def _bits(
    log_likelihood: Any,
    dimensions: int,
    bins: int,
    value_range: tuple[float, float] | None,
    rows: int = 1,
) -> Tensor:
    """(N,) float64: bits per dimension of each sample."""
    dimensions, bins = count(dimensions, argument="dimensions"), count(bins, argument="bins")
    a, b = (0.0, float(bins)) if value_range is None else value_range
    if not (math.isfinite(b - a) and a < b):
        raise InputError(f"value_range: must be two finite numbers a < b, got {value_range}")
    per_dimension = _checked(log_likelihood, rows) / (dimensions * math.log(2))
    return math.log2(bins / (b - a)) - per_dimension


def _checked(log_likelihood: Any, rows: int) -> Tensor:
    """(N,) float64 on the CPU."""
    values = as_tensor(
        log_likelihood, argument="log_likelihood", expected="a tensor or an array (N,)"
    ).cpu()
    if values.ndim != 1 or not values.is_floating_point():
        kind = str(values.dtype).removeprefix("torch.")
        raise InputError(
            f"log_likelihood: must be floating (N,), one value a sample, got {kind} of shape "
            f"{tuple(values.shape)}"
        )
    if len(values) < rows:
        raise InputError(f"log_likelihood: must have at least {rows} values, got {len(values)}")
    bad = (values.isnan() | (values == math.inf)).nonzero()[:, 0]
    if len(bad):
        row = int(bad[0])
        raise InputError(
            f"log_likelihood: must not be NaN or +inf, got {values[row].item()} in row {row}"
        )
    return values.double()
