"""Means over seeds with Student-t intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import NamedTuple


class Interval(NamedTuple):
    """mean and half the width of its 95 % interval (None for fewer than two values); n values."""

    mean: float | None
    half_width: float | None
    n: int


def mean_interval(values: Iterable[float | None]) -> Interval:
    """Mean and 95 % interval of independent values; None values are left out and not counted.

    half width = t(.975, n - 1) s / sqrt(n), Student 1908.
    """
    from scipy.stats import t

    present = [float(value) for value in values if value is not None]
    if not present:
        return Interval(None, None, 0)
    n = len(present)
    if n == 1:
        return Interval(present[0], None, 1)
    deviation = statistics.stdev(present)
    return Interval(
        statistics.fmean(present), float(t.ppf(0.975, n - 1)) * deviation / math.sqrt(n), n
    )


def format_interval(interval: Interval, *, digits: int, factor: float = 1.0) -> str:
    """ "7.3 ± 0.4"; no "±" for a single value, "-" for none."""
    if interval.mean is None:
        return "-"
    text = f"{interval.mean * factor:.{digits}f}"
    if interval.half_width is None:
        return text
    return f"{text} ± {interval.half_width * factor:.{digits}f}"
