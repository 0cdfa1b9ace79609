"""One bar: what was measured, for each seed, what it must reach, and whether it does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from genbench.report.statistics import mean_interval


@dataclass(frozen=True)
class Bar:
    """values: one a seed. rule: such as "<= 0.75". beside: baselines and floors, by name."""

    what: str
    values: tuple[float, ...]
    rule: str
    passed: bool
    beside: Mapping[str, float] = field(default_factory=dict)


def at_most(what: str, values: Sequence[float], bound: float, **beside: float) -> Bar:
    """Every seed's value is at most `bound`."""
    return Bar(what, tuple(values), f"<= {bound:g}", all(v <= bound for v in values), beside)


def at_least(what: str, values: Sequence[float], bound: float, **beside: float) -> Bar:
    """Every seed's value is at least `bound`."""
    return Bar(what, tuple(values), f">= {bound:g}", all(v >= bound for v in values), beside)


def within(what: str, values: Sequence[float], low: float, high: float, **beside: float) -> Bar:
    """Every seed's value lies in [low, high]."""
    passed = all(low <= v <= high for v in values)
    return Bar(what, tuple(values), f"in [{low:g}, {high:g}]", passed, beside)


def wins(what: str, gains: Sequence[float], **beside: float) -> Bar:
    """gains: ours over theirs, paired by seed. All of at least three are above 0, or the 95 %
    interval of their mean is."""
    if not all(map(math.isfinite, gains)):
        return Bar(what, tuple(gains), "> 0, paired", False, beside)
    interval = mean_interval(gains)
    mean, half = interval.mean, interval.half_width
    sure = mean is not None and half is not None and mean - half > 0
    every = len(gains) >= 3 and all(gain > 0 for gain in gains)
    return Bar(what, tuple(gains), "> 0, paired", every or sure, beside)
