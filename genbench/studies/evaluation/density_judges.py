"""Metrics of densities and of points with known modes, as `genbench evaluate` calls them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench import metrics
from genbench.data.pixels import RANGES
from genbench.data.samples import Samples
from genbench.errors import InputError
from genbench.metrics.mode_law import Modes, dimensions, quality_radius
from genbench.studies.evaluation.evidence import Evidence
from genbench.studies.evaluation.verdicts import Measured, Verdict


def bits_per_dim(e: Evidence) -> Verdict:
    """Of the densities beside the reals, in the units of the values stored there."""
    samples = e.real.samples
    span, dimensions = _value_range(samples), math.prod(samples.shape)
    given: dict[str, Any] = {"dimensions": dimensions, "value_range": span}
    score = _measured(e, metrics.bits_per_dim, metrics.bits_per_dim_estimate, **given)
    units = f"256 levels scaled to [{span[0]:g}, {span[1]:g})" if span else "as stored, not shifted"
    return Verdict(
        {"bits_per_dim": score}, f"log densities in nats over {dimensions} dimensions; {units}"
    )


def nats(e: Evidence) -> Verdict:
    """Mean negative log density of a row."""
    score = _measured(e, metrics.nats, metrics.nats_estimate)
    return Verdict({"nats": score}, "mean negative log density of a row, in the stored units")


def mode_coverage(e: Evidence) -> Verdict:
    """Of the fakes, against the modes of --modes."""
    modes, samples = _against_modes(e)
    found = e.measured(
        metrics.mode_coverage, metrics.mode_coverage_estimate, samples=samples, mixture=modes
    )
    radius = quality_radius(dimensions(modes))
    return Verdict(
        found._asdict(),
        f"high quality: within {radius:.3g} sigma of the nearest mode; a mode is held by a fifth "
        "of its weight; KL in nats, of high-quality samples and with one bin for all others",
        metrics.perfect_sampler(modes, len(samples))._asdict(),
    )


def mode_spread(e: Evidence) -> Verdict:
    """Of the fakes within the modes of --modes."""
    modes, samples = _against_modes(e)
    found = e.measured(
        metrics.mode_spread, metrics.mode_spread_estimate, samples=samples, mixture=modes
    )
    return Verdict(
        {"spread": found.spread, "spread_least": found.least, "spread_most": found.most},
        "standard deviation of high-quality samples within the modes held, over a perfect "
        "sampler's: together, and of the narrowest and the widest mode",
        {"spread": 1.0},
    )


def _against_modes(e: Evidence) -> tuple[Modes, Tensor]:
    """The modes, and the fakes (N, D) in their dimensions."""
    assert e.modes is not None  # see Need.MODES
    samples, width = e.fake.features, e.modes.means.shape[1]
    if samples.shape[1] != width:
        raise InputError(f"modes: must lie in fake's {samples.shape[1]} dimensions, got {width}")
    return e.modes, samples


def _measured(e: Evidence, *functions: Callable[..., Any], **given: Any) -> Measured:
    """The score of the array log_prob beside the reals; errors name it as the user does."""
    values = e.real.samples.extra("log_prob")
    assert values is not None  # see Need.LOG_PROB
    try:
        return e.measured(*functions, log_likelihood=torch.from_numpy(values), **given)
    except InputError as error:
        argument, _, rule = str(error).partition(": ")
        if argument != "log_likelihood":
            raise
        raise InputError(f"real: log_prob in '{e.real.samples.path}' {rule}") from error


def _value_range(samples: Samples) -> tuple[float, float] | None:
    """The range of floating pictures, whose units the densities have; None for all others."""
    rule = samples.conventions.get("values", "")
    for low, high in RANGES.values():
        if samples.kind == "images" and rule.startswith(f"floating in [{low:g}, {high:g}]"):
            return low, high
    return None
