"""Precision, recall, density and coverage from nearest neighbours.

Kynkaanniemi et al. 2019 (arXiv 1904.06991); Naeem et al. 2020 (arXiv 2002.09797).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_BLOCK_ENTRIES = 8_000_000  # distances held at once: 64 MB of float64


class PrecisionRecall(NamedTuple):
    """Shares in 0..1; density may exceed 1 (its expectation on equal distributions is 1)."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(*, real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """How well `fake` (M, d) stays on the manifold of `real` (N, d), and how much of it it covers.

    Euclidean distances in float64 after centring; a point lies in a ball when its distance is <=
    the distance from the ball's centre to its k-th neighbour, the centre itself excluded.
    precision: share of fakes in some real ball; recall: share of reals in some fake ball; density:
    real balls a fake lies in, over k; coverage: share of real balls that hold a fake. Memory grows
    with N + M. Raises ValueError for shapes, values that are not finite, or fewer than k + 1 rows.
    """
    for name, features in (("real", real), ("fake", fake)):
        _check(name, features, k)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real and fake must have the same width, got {real.shape[1]} and {fake.shape[1]}"
        )
    center = real.to(torch.float64).mean(dim=0)
    real, fake = real.to(torch.float64) - center, fake.to(torch.float64) - center
    real_radius, fake_radius = _radii(real, k), _radii(fake, k)
    inside = torch.zeros(len(fake), dtype=torch.float64, device=fake.device)
    nearest_fake, recalled = [], []
    for rows, radius in _blocks(real, real_radius, len(fake)):
        distance = _distances(rows, fake)  # (block, M)
        inside += (distance <= radius[:, None]).sum(dim=0)
        nearest_fake.append(distance.min(dim=1).values <= radius)
        recalled.append((distance <= fake_radius).any(dim=1))
    return PrecisionRecall(
        precision=(inside > 0).double().mean().item(),
        recall=torch.cat(recalled).double().mean().item(),
        density=inside.mean().item() / k,
        coverage=torch.cat(nearest_fake).double().mean().item(),
    )


def _check(name: str, features: Tensor, k: int) -> None:
    if features.ndim != 2:
        raise ValueError(f"{name} must be (N, d), got shape {tuple(features.shape)}")
    if k < 1 or len(features) <= k:
        raise ValueError(f"{name} must have more than k = {k} rows, k >= 1; got {len(features)}")
    finite = features.isfinite().all(dim=1)
    if not finite.all():
        raise ValueError(
            f"{name} must be finite, got NaN or infinity in row {int((~finite).nonzero()[0, 0])}"
        )


def _radii(features: Tensor, k: int) -> Tensor:
    """(N,) distance from each row to its k-th nearest other row."""
    radii = []
    for rows, _ in _blocks(features, features, len(features)):
        # k + 1: the row itself is always among the nearest, at distance 0
        radii.append(_distances(rows, features).kthvalue(k + 1, dim=1).values)
    return torch.cat(radii)


def _blocks(rows: Tensor, beside: Tensor, columns: int) -> list[tuple[Tensor, Tensor]]:
    size = max(1, _BLOCK_ENTRIES // columns)
    return list(zip(rows.split(size), beside.split(size), strict=True))


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # differences, not the matrix form: it cancels for close points
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
