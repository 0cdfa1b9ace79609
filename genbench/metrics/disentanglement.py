"""Mutual-information gap of a code. Chen, Li, Grosse and Duvenaud 2018, arXiv 1802.04942.

For a factor v of variation, (I(z_first; v) - I(z_second; v)) / H(v) of the two dimensions of the
code that tell most of it; the gap is the mean over factors. Information is that of histograms.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import count, feature_matrix


class MutualInformationGap(NamedTuple):
    """gap: mean of `each` (K,), a value in [0, 1] a factor. information: (d, K), nats."""

    gap: float
    each: Tensor
    information: Tensor


def mutual_information_gap(*, codes: Any, factors: Any, bins: int = 20) -> MutualInformationGap:
    """The gap between codes (N, d), d >= 2, and factors (N, K): tensors or arrays, floating.

    A factor of at most `bins` values counts as it is, other columns by `bins` intervals of equal
    width, as the paper does. Histograms of N rows overestimate information by about bins^2 / (2 N)
    nats, of every dimension alike, so that the gap is little moved. Errors: InputError for other
    shapes, fewer than 2 dimensions, or a factor of one value.
    """
    bins = count(bins, argument="bins", least=2)
    codes = feature_matrix(codes, argument="codes", rows=2).double()
    factors = feature_matrix(factors, argument="factors", rows=2).double()
    if len(codes) != len(factors):
        raise InputError(
            f"codes and factors: must have as many rows, got {len(codes)} and {len(factors)}"
        )
    if codes.shape[1] < 2:
        raise InputError(f"codes: a gap needs at least 2 dimensions, got {codes.shape[1]}")
    binned = [_numbers(column, bins) for column in factors.T]
    for number, column in enumerate(binned):
        if int(column.max()) == 0:
            raise InputError(f"factors: column {number} has one value alone")
    cells = [_intervals(column, bins) for column in codes.T]
    information = torch.stack(
        [torch.stack([_information(z, v) for v in binned]) for z in cells]
    )  # (d, K)
    entropy = torch.stack([_information(v, v) for v in binned])
    first, second = information.topk(2, dim=0).values
    each = (first - second) / entropy
    return MutualInformationGap(each.mean().item(), each, information)


def _numbers(column: Tensor, bins: int) -> Tensor:
    """int64 (N,): a factor's values by number, or its intervals where it has more than `bins`."""
    values, numbers = column.unique(return_inverse=True)
    return numbers if len(values) <= bins else _intervals(column, bins)


def _intervals(column: Tensor, bins: int) -> Tensor:
    """int64 (N,): which of `bins` intervals between its ends a value lies in; 0 where all agree."""
    low, high = column.min(), column.max()
    width = (high - low).clamp(min=torch.finfo(column.dtype).tiny)
    return ((column - low) / width * bins).long().clamp(max=bins - 1)


def _information(a: Tensor, b: Tensor) -> Tensor:
    """I(a; b), 0-d, nats, of int64 (N,) and (N,): the entropy where they are the same."""
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    joint = torch.bincount(a * columns + b, minlength=rows * columns).view(rows, columns).double()
    joint = joint / len(a)
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    held = joint > 0
    return (joint[held] * (joint[held] / apart[held]).log()).sum()
