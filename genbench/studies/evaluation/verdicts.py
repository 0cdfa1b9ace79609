"""What a metric asks of an evaluation, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from genbench.metrics.intervals import Estimate
from genbench.studies.evaluation.evidence import Evidence

Measured = float | Estimate


class Need:
    """What a metric reads; one that cannot have it is refused before any work is done."""

    FEATURES = "features or images"
    MOMENTS = "features, images or moments"
    PROBABILITIES = "images, or an array probabilities beside fake's features (.npz)"
    IMAGES = "real and fake images of one shape (--size N makes them N x N)"
    PAIRS = "as many real as fake images, of one shape and in one order"
    LOG_PROB = "an array log_prob beside real (.npz): natural log densities, one a row"
    MODES = "features and --modes"


ONE_SET = {Need.PROBABILITIES, Need.LOG_PROB, Need.MODES}  # nothing is compared with the other
USE_FEATURES = (Need.FEATURES, Need.MOMENTS, Need.PROBABILITIES)


class Verdict(NamedTuple):
    """scores by key; how they were measured, in words; what a perfect sampler scores, by key.

    details: what goes into the row beside scores, JSON values by key.
    """

    scores: dict[str, Measured]
    conventions: str
    perfect: Mapping[str, float] = MappingProxyType({})
    details: Mapping[str, object] = MappingProxyType({})


class Judge(NamedTuple):
    """One metric."""

    needs: str
    judge: Callable[[Evidence], Verdict]
