"""Every metric of two feature matrices, and the laws it keeps, for test_every_metric.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genbench import metrics


@dataclass(frozen=True)
class Law:
    """How to call a metric (result: floats), and what it is invariant under.

    real_rows, fake_rows: the fewest, for five columns. symmetric: real and fake may change places.
    seeded: draws by row number, so that another order of rows is another draw. rotates, moves:
    distances alone enter it, or differences from a mean.
    """

    call: Callable[..., Any]
    estimate: Callable[..., Any]
    real_rows: int
    fake_rows: int
    symmetric: bool = False
    seeded: bool = False
    rotates: bool = True
    moves: bool = True


LAWS = {
    "frechet_distance": Law(
        metrics.frechet_distance, metrics.frechet_distance_estimate, 2, 2, symmetric=True
    ),
    "frechet_distance_infinity": Law(
        metrics.frechet_distance_infinity,
        metrics.frechet_distance_infinity_estimate,
        2,
        24,  # four parts of more rows than columns
        seeded=True,
    ),
    # The polynomial kernel sees the origin.
    "kernel_distance": Law(
        metrics.kernel_distance, metrics.kernel_distance_estimate, 4, 4, symmetric=True, moves=False
    ),
    "precision_recall": Law(metrics.precision_recall, metrics.precision_recall_estimate, 4, 4),
    "different_bins": Law(
        metrics.different_bins,
        metrics.different_bins_estimate,
        200,  # two for each bin
        1,
        seeded=True,
        rotates=False,  # k-means of rounded rows may end in other bins
        moves=False,
    ),
    "knn_divergence": Law(
        metrics.knn_divergence, metrics.knn_divergence_estimate, 11, 5, seeded=True
    ),
    "memorization": Law(metrics.memorization, metrics.memorization_estimate, 4, 1, seeded=True),
}
# Judged otherwise than by two feature matrices.
OTHERS = {
    "bits_per_dim",
    "inception_score",
    "mode_coverage",
    "mode_spread",
    "ms_ssim",
    "ms_ssim_diversity",
    "nats",
    "psnr",
    "ssim",
}


def numbers(result: Any) -> list[float]:
    """The numbers of a result, whichever form it has."""
    if isinstance(result, (int, float)):
        return [float(result)]
    return [float(value) for value in result if isinstance(value, (int, float))]
