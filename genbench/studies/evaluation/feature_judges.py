"""Metrics of features and of class probabilities, as `genbench evaluate` calls them."""

from __future__ import annotations

import math

import torch

from genbench import metrics
from genbench.errors import InputError
from genbench.metrics.frechet import distance, warn_of_few_rows
from genbench.metrics.frechet_floor import expected_distance
from genbench.metrics.intervals import Estimate, normal_estimate
from genbench.metrics.reductions import single_threaded
from genbench.studies.evaluation.evidence import Evidence
from genbench.studies.evaluation.gaussians import gaussian_of
from genbench.studies.evaluation.verdicts import Measured, Verdict

NEIGHBOURS = 3  # of precision and recall, and of density and coverage
KNN = 5  # of the divergence
SUBSETS, SUBSET_SIZE = 100, 1000  # of torch-fidelity's kernel distance
SPLITS = 10  # of the inception score


def frechet_distance(e: Evidence) -> Verdict:
    """Of features, or of moments where a set holds those."""
    key = "frechet_inception_distance" if e.inception else "frechet_distance"
    conventions = (
        "covariance over N - 1, float64; biased upward at small N; perfect sampler: for Gaussian "
        "features, from 2 d rows on"
    )
    real, fake = gaussian_of(e.real), gaussian_of(e.fake)
    widths = len(real.side.mean), len(fake.side.mean)
    if widths[0] != widths[1]:  # moments beside images: the extractor's width shows only now
        raise InputError(
            f"real and fake: must have the same width, got {widths[0]} and {widths[1]}"
        )
    perfect = {}
    if min(real.rows, fake.rows) >= 2 * len(real.side.mean):
        with single_threaded():
            perfect[key] = expected_distance(real.side, real.rows, fake.rows)
    if e.level is not None:
        score = metrics.frechet_distance_estimate(**e.features, level=e.level)
        return Verdict({key: score}, conventions, perfect)
    rows = {"real": real, "fake": fake}
    shapes = {role: (one.rows, len(one.side.mean)) for role, one in rows.items() if one.rows}
    # only their shapes are asked for, and the features may not be here
    warn_of_few_rows(**{role: torch.empty(n, d, device="meta") for role, (n, d) in shapes.items()})
    return Verdict({key: distance(real.side, fake.side)}, conventions, perfect)


def frechet_distance_infinity(e: Evidence) -> Verdict:
    """The value for infinitely many fakes."""
    key = "frechet_inception_distance" if e.inception else "frechet_distance"
    score = e.measured(
        metrics.frechet_distance_infinity, metrics.frechet_distance_infinity_estimate, **e.features
    )
    return Verdict(
        {f"{key}_infinity": score},
        "the value for infinitely many fakes, by a line over 1 / M through 4 sizes; the real set "
        "is taken as it is",
    )


def kernel_distance(e: Evidence) -> Verdict:
    """Of all rows; for Inception features as torch-fidelity has it, of random subsets."""
    if e.inception:
        return _kernel_inception_distance(e)
    mean, error = metrics.kernel_distance(**e.features)
    value = mean if e.level is None else normal_estimate(mean, error, level=e.level)
    return Verdict(
        {"kernel_distance_mean": value, "kernel_distance_standard_error": error},
        "(x'y / d + 1)^3, unbiased, all pairs of rows",
        {"kernel_distance_mean": 0.0},
    )


def _kernel_inception_distance(e: Evidence) -> Verdict:
    size, fewest = SUBSET_SIZE, min(len(e.real.features), len(e.fake.features))
    if fewest < size:
        size = fewest // 2  # whole sets would be one subset, a hundred times
    mean, std = metrics.kernel_distance_subsets(**e.features, subsets=SUBSETS, subset_size=size)
    value: Measured = mean
    if e.level is not None:  # the subsets overlap: their spread gives no interval
        whole = metrics.kernel_distance_estimate(**e.features, level=e.level)
        reach = whole.value - whole.low
        value = Estimate(mean, mean - reach, mean + reach, whole.standard_error)
    return Verdict(
        {"kernel_inception_distance_mean": value, "kernel_inception_distance_std": std},
        f"(x'y / d + 1)^3, unbiased, {SUBSETS} subsets of {size} rows drawn as torch-fidelity "
        "does (fewer than 1000 rows: of half of the smaller set); std: of one subset's value; "
        "interval: of the value of all rows, about the mean of the subsets",
        {"kernel_inception_distance_mean": 0.0},
    )


def inception_score(e: Evidence) -> Verdict:
    """Of the fakes, by the extractor's classes or the array beside their features."""
    given = e.fake.probabilities
    key = "inception_score" if e.inception else "class_score"
    mean, std = metrics.inception_score(given, splits=SPLITS)
    value: Measured = mean
    if e.level is not None:
        found = metrics.inception_score_estimate(given, splits=SPLITS, level=e.level)
        value = found._replace(value=mean)  # the same bits with and without an interval
    return Verdict(
        {f"{key}_mean": value, f"{key}_std": std},
        f"exp of the mean KL to the marginal, {SPLITS} splits shuffled as torch-fidelity does; "
        f"std: of one split; from 1 to {given.shape[1]} classes",
    )


def precision_recall(e: Evidence) -> Verdict:
    """Precision, recall, density, coverage and their F score."""
    k = NEIGHBOURS if e.k is None else e.k
    told = e.told("precision, recall, density, coverage: pairs of rows")
    found = e.measured(
        metrics.precision_recall,
        metrics.precision_recall_estimate,
        **e.features,
        k=k,
        progress=told,
    )
    n, m = len(e.real.features), len(e.fake.features)
    return Verdict(
        {**found._asdict(), "f_score": _f_score(found.precision, found.recall)},
        f"k = {k}, Euclidean, <=, the point itself excluded",
        {"density": 1.0, "coverage": expected_coverage(n, m, k)},
    )


def _f_score(precision: Measured, recall: Measured) -> Measured:
    """2 p r / (p + r); it grows with both, so the ends of theirs bound it."""
    if isinstance(precision, Estimate) and isinstance(recall, Estimate):
        value, low, high = map(_harmonic, precision[:3], recall[:3])
        return Estimate(value, low, high, math.nan)
    assert not isinstance(precision, Estimate) and not isinstance(recall, Estimate)
    return _harmonic(precision, recall)


def _harmonic(p: float, r: float) -> float:
    return 2 * p * r / (p + r) if p + r else 0.0


def expected_coverage(n: int, m: int, k: int) -> float:
    """Of n reals by m fakes of one distribution: 1 - C(n-1, k) / C(n+m-1, k), Naeem 2020."""
    return 1 - math.prod((n - 1 - i) / (n + m - 1 - i) for i in range(k))


def different_bins(e: Evidence) -> Verdict:
    """How many k-means bins hold another share of the fakes than of the reals."""
    found = e.measured(metrics.different_bins, metrics.different_bins_estimate, **e.features)
    return Verdict(
        {
            "different_bins": found.different,
            "different_bins_share": found.share,
            "jensen_shannon": found.jensen_shannon,
        },
        f"{found.bins} k-means bins placed by half of the reals (at most 10,000) and counted on "
        "the others; two-proportion z-test at 5 %; divergence in nats",
        {
            "different_bins": found.expected_different,
            "different_bins_share": found.expected_different / found.bins,
            "jensen_shannon": found.expected_jensen_shannon,
        },
    )


def knn_divergence(e: Evidence) -> Verdict:
    """KL(real || fake), with the estimator's bias beside it."""
    k = KNN if e.k is None else e.k
    told = e.told("k-NN divergence: pairs of rows")
    found = e.measured(
        metrics.knn_divergence, metrics.knn_divergence_estimate, **e.features, k=k, progress=told
    )
    floor = found.floor.value if isinstance(found.floor, Estimate) else found.floor
    return Verdict(
        {"knn_divergence": found.divergence},
        f"KL(real || fake) in nats, k = {k}; perfect: the same between parts of the reals, which "
        "is its bias",
        {"knn_divergence": floor},
    )


def memorization(e: Evidence) -> Verdict:
    """Whether the fakes repeat the reals."""
    told = e.told("memorization: pairs of rows")
    found = e.measured(
        metrics.memorization, metrics.memorization_estimate, **e.features, progress=told
    )
    perfect = found.authentic_perfect
    return Verdict(
        {
            "authentic": found.authentic,
            "exact_copies": found.exact_copies,
            "near_copies": found.near_copies,
        },
        "authentic: share of fakes no closer to their nearest real row than that is to its own "
        "nearest; near copies: within a tenth of the median distance between real neighbours",
        {
            "authentic": perfect.value if isinstance(perfect, Estimate) else perfect,
            "near_copies": found.near_copies_perfect,
        },
        {"closest_pairs": [pair._asdict() for pair in found.closest]},
    )
