"""What judges samples."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry

if TYPE_CHECKING:
    from genbench.metrics.authenticity import (
        ClosePair,
        Memorization,
        memorization,
        memorization_estimate,
    )
    from genbench.metrics.bins import DifferentBins, different_bins, different_bins_estimate
    from genbench.metrics.disentanglement import MutualInformationGap, mutual_information_gap
    from genbench.metrics.divergence import (
        KNNDivergence,
        knn_divergence,
        knn_divergence_estimate,
    )
    from genbench.metrics.diversity import Diversity, ms_ssim_diversity, ms_ssim_diversity_estimate
    from genbench.metrics.frechet import frechet_distance, frechet_distance_from_moments
    from genbench.metrics.frechet_floor import expected_frechet_distance
    from genbench.metrics.frechet_interval import (
        frechet_distance_estimate,
        frechet_distance_infinity,
        frechet_distance_infinity_estimate,
    )
    from genbench.metrics.image_quality import psnr, psnr_each, psnr_estimate
    from genbench.metrics.kernel import (
        KernelDistance,
        KernelSubsets,
        kernel_distance,
        kernel_distance_estimate,
        kernel_distance_subsets,
    )
    from genbench.metrics.likelihood import (
        bits_per_dim,
        bits_per_dim_estimate,
        nats,
        nats_estimate,
    )
    from genbench.metrics.modes import (
        ModeCoverage,
        mode_coverage,
        mode_coverage_estimate,
        perfect_sampler,
    )
    from genbench.metrics.moments import Moments
    from genbench.metrics.neighbours import (
        PrecisionRecall,
        precision_recall,
        precision_recall_estimate,
    )
    from genbench.metrics.predictions import (
        InceptionScore,
        inception_score,
        inception_score_estimate,
    )
    from genbench.metrics.similarity import (
        ms_ssim,
        ms_ssim_each,
        ms_ssim_estimate,
        ssim,
        ssim_each,
        ssim_estimate,
    )
    from genbench.metrics.spread import ModeSpread, mode_spread, mode_spread_estimate

__all__ = [
    "ALIASES",
    "CATALOG",
    "ClosePair",
    "DifferentBins",
    "Diversity",
    "InceptionScore",
    "KNNDivergence",
    "KernelDistance",
    "KernelSubsets",
    "Memorization",
    "ModeCoverage",
    "ModeSpread",
    "Moments",
    "MutualInformationGap",
    "PrecisionRecall",
    "bits_per_dim",
    "bits_per_dim_estimate",
    "different_bins",
    "different_bins_estimate",
    "expected_frechet_distance",
    "frechet_distance",
    "frechet_distance_estimate",
    "frechet_distance_from_moments",
    "frechet_distance_infinity",
    "frechet_distance_infinity_estimate",
    "inception_score",
    "inception_score_estimate",
    "kernel_distance",
    "kernel_distance_estimate",
    "kernel_distance_subsets",
    "knn_divergence",
    "knn_divergence_estimate",
    "memorization",
    "memorization_estimate",
    "mode_coverage",
    "mode_coverage_estimate",
    "mode_spread",
    "mode_spread_estimate",
    "ms_ssim",
    "ms_ssim_diversity",
    "ms_ssim_diversity_estimate",
    "ms_ssim_each",
    "ms_ssim_estimate",
    "mutual_information_gap",
    "nats",
    "nats_estimate",
    "perfect_sampler",
    "precision_recall",
    "precision_recall_estimate",
    "psnr",
    "psnr_each",
    "psnr_estimate",
    "ssim",
    "ssim_each",
    "ssim_estimate",
]

CATALOG = {
    "frechet_distance": Entry(
        "genbench.metrics.frechet:frechet_distance",
        "distance of the Gaussians that fit two sets of features; FID on Inception's",
    ),
    "frechet_distance_infinity": Entry(
        "genbench.metrics.frechet_interval:frechet_distance_infinity",
        "the Frechet distance that infinitely many samples would have",
    ),
    "kernel_distance": Entry(
        "genbench.metrics.kernel:kernel_distance",
        "squared maximum mean discrepancy of a polynomial kernel; KID on Inception's features",
    ),
    "inception_score": Entry(
        "genbench.metrics.predictions:inception_score",
        "certainty and variety of a classifier's predictions, 1 to the number of classes",
    ),
    "precision_recall": Entry(
        "genbench.metrics.neighbours:precision_recall",
        "precision, recall, density and coverage by k nearest neighbours",
    ),
    "different_bins": Entry(
        "genbench.metrics.bins:different_bins",
        "number of statistically different bins, Jensen-Shannon divergence beside it",
    ),
    "knn_divergence": Entry(
        "genbench.metrics.divergence:knn_divergence",
        "Kullback-Leibler divergence from nearest neighbours, nats, beside its bias",
    ),
    "memorization": Entry(
        "genbench.metrics.authenticity:memorization",
        "whether fakes repeat the training rows: authentic share, copies, test on held-out rows",
    ),
    "mode_coverage": Entry(
        "genbench.metrics.modes:mode_coverage",
        "modes, modes held, high-quality share and both KLs against a known mixture",
    ),
    "mode_spread": Entry(
        "genbench.metrics.spread:mode_spread",
        "standard deviation within the modes held, over a perfect sampler's",
    ),
    "bits_per_dim": Entry(
        "genbench.metrics.likelihood:bits_per_dim",
        "bits per dimension of log-densities of dequantised data",
    ),
    "nats": Entry("genbench.metrics.likelihood:nats", "mean negative log-likelihood of a sample"),
    "ms_ssim_diversity": Entry(
        "genbench.metrics.diversity:ms_ssim_diversity",
        "mean MS-SSIM of two samples of one set, the reals' beside it",
    ),
    "psnr": Entry(
        "genbench.metrics.image_quality:psnr", "peak signal-to-noise ratio of paired images, dB"
    ),
    "ssim": Entry("genbench.metrics.similarity:ssim", "structural similarity of paired images"),
    "ms_ssim": Entry(
        "genbench.metrics.similarity:ms_ssim", "structural similarity of pairs on several scales"
    ),
}

# Short names that --metrics takes too.
ALIASES = {
    "bpd": "bits_per_dim",
    "fid": "frechet_distance",
    "fid_infinity": "frechet_distance_infinity",
    "is": "inception_score",
    "isc": "inception_score",
    "kid": "kernel_distance",
    "modes": "mode_coverage",
    "ndb": "different_bins",
    "prc": "precision_recall",
    "prdc": "precision_recall",
    "spread": "mode_spread",
}

# The formulas import torch; the catalog above must not.
_MODULES = {
    "psnr": "image_quality",
    "psnr_each": "image_quality",
    "psnr_estimate": "image_quality",
    "ssim": "similarity",
    "ssim_each": "similarity",
    "ssim_estimate": "similarity",
    "ms_ssim": "similarity",
    "ms_ssim_each": "similarity",
    "ms_ssim_estimate": "similarity",
    "Diversity": "diversity",
    "ms_ssim_diversity": "diversity",
    "ms_ssim_diversity_estimate": "diversity",
    "bits_per_dim": "likelihood",
    "bits_per_dim_estimate": "likelihood",
    "nats": "likelihood",
    "nats_estimate": "likelihood",
    "frechet_distance": "frechet",
    "frechet_distance_from_moments": "frechet",
    "expected_frechet_distance": "frechet_floor",
    "frechet_distance_estimate": "frechet_interval",
    "frechet_distance_infinity": "frechet_interval",
    "frechet_distance_infinity_estimate": "frechet_interval",
    "InceptionScore": "predictions",
    "inception_score": "predictions",
    "inception_score_estimate": "predictions",
    "KernelDistance": "kernel",
    "KernelSubsets": "kernel",
    "kernel_distance": "kernel",
    "kernel_distance_estimate": "kernel",
    "kernel_distance_subsets": "kernel",
    "DifferentBins": "bins",
    "different_bins": "bins",
    "different_bins_estimate": "bins",
    "KNNDivergence": "divergence",
    "knn_divergence": "divergence",
    "knn_divergence_estimate": "divergence",
    "ClosePair": "authenticity",
    "Memorization": "authenticity",
    "memorization": "authenticity",
    "memorization_estimate": "authenticity",
    "ModeSpread": "spread",
    "mode_spread": "spread",
    "mode_spread_estimate": "spread",
    "ModeCoverage": "modes",
    "mode_coverage": "modes",
    "mode_coverage_estimate": "modes",
    "perfect_sampler": "modes",
    "Moments": "moments",
    "MutualInformationGap": "disentanglement",
    "mutual_information_gap": "disentanglement",
    "PrecisionRecall": "neighbours",
    "precision_recall": "neighbours",
    "precision_recall_estimate": "neighbours",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'genbench.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genbench.metrics.{_MODULES[name]}"), name)
