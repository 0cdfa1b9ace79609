"""The metrics of `genbench evaluate`: what each needs, how it is called, and its keys in a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch

from genbench import metrics
from genbench.metrics.frechet import distance, warn_of_few_rows
from genbench.metrics.frechet_floor import expected_distance
from genbench.metrics.intervals import Estimate
from genbench.studies.evidence import Evidence
from genbench.studies.gaussians import gaussian_of

Measured = float | Estimate


class Need:
    """What a metric reads; one that cannot have it is refused before any work is done."""

    FEATURES = "features or images"
    MOMENTS = "features, images or moments"
    PROBABILITIES = "images, or an array probabilities beside fake's features (.npz)"
    IMAGES = "images"
    PAIRS = "as many real as fake images, of one shape and in one order"
    LOG_PROB = "an array log_prob beside real (.npz): natural log densities, one a row"
    MODES = "features and --modes"


DEFAULT_K = 3  # of precision_recall
USE_FEATURES = (Need.FEATURES, Need.MOMENTS, Need.PROBABILITIES)


class Verdict(NamedTuple):
    """scores by key; how they were measured, in words; what a perfect sampler scores, by key."""

    scores: dict[str, Measured]
    conventions: str
    perfect: Mapping[str, float] = MappingProxyType({})


class Judge(NamedTuple):
    """One metric."""

    needs: str
    judge: Callable[[Evidence], Verdict]


def _frechet_distance(e: Evidence) -> Verdict:
    key = "frechet_inception_distance" if e.inception else "frechet_distance"
    conventions = (
        "covariance over N - 1, float64; biased upward at small N: perfect sampler for "
        "Gaussian features, given 2 d rows or more"
    )
    real, fake = gaussian_of(e.real), gaussian_of(e.fake)
    perfect = {}
    if min(real.rows, fake.rows) >= 2 * len(real.side.mean):
        perfect[key] = expected_distance(real.side, real.rows, fake.rows)
    if e.level is not None:
        score = metrics.frechet_distance_estimate(**e.features, level=e.level)
        return Verdict({key: score}, conventions, perfect)
    warn_of_few_rows(
        **{
            role: torch.empty(one.rows, len(one.side.mean), device="meta")
            for role, one in (("real", real), ("fake", fake))
            if one.rows
        }
    )
    return Verdict({key: distance(real.side, fake.side)}, conventions, perfect)


def _frechet_distance_infinity(e: Evidence) -> Verdict:
    key = "frechet_inception_distance" if e.inception else "frechet_distance"
    score = (
        metrics.frechet_distance_infinity(**e.features)
        if e.level is None
        else metrics.frechet_distance_infinity_estimate(**e.features, level=e.level)
    )
    return Verdict(
        {f"{key}_infinity": score},
        "the value for infinitely many fakes, by a line over 1 / M through 4 sizes; the real set "
        "is taken as it is",
    )


def _precision_recall(e: Evidence) -> Verdict:
    k = DEFAULT_K if e.k is None else e.k
    told = e.told("precision, recall, density, coverage: pairs of rows")
    found = (
        metrics.precision_recall(**e.features, k=k, progress=told)
        if e.level is None
        else metrics.precision_recall_estimate(**e.features, k=k, level=e.level, progress=told)
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


def _different_bins(e: Evidence) -> Verdict:
    found = (
        metrics.different_bins(**e.features)
        if e.level is None
        else metrics.different_bins_estimate(**e.features, level=e.level)
    )
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


def _mode_coverage(e: Evidence) -> Verdict:
    assert e.modes is not None  # see Need.MODES
    samples = e.fake.features
    found = (
        metrics.mode_coverage(samples, e.modes)
        if e.level is None
        else metrics.mode_coverage_estimate(samples, e.modes, level=e.level)
    )
    return Verdict(
        found._asdict(),
        "high quality: within 3 sigma of the nearest mode; a mode is held by a fifth of its "
        "weight; KL in nats, of high-quality samples and with one bin for all others",
        metrics.perfect_sampler(e.modes, len(samples))._asdict(),
    )


JUDGES = {
    "frechet_distance": Judge(Need.MOMENTS, _frechet_distance),
    "frechet_distance_infinity": Judge(Need.FEATURES, _frechet_distance_infinity),
    "precision_recall": Judge(Need.FEATURES, _precision_recall),
    "different_bins": Judge(Need.FEATURES, _different_bins),
    "mode_coverage": Judge(Need.MODES, _mode_coverage),
}
