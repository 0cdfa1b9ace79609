"""Means over seeds with Student-t intervals, and two objectives compared seed by seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

EXACT_UP_TO = 20  # values whose 2^n signs are all tried
DRAWS = 1 << 17  # random signs beyond that


class Interval(NamedTuple):
    """mean and half the width of its 95 % interval (None for fewer than two values); n values."""

    mean: float | None
    half_width: float | None
    n: int


def mean_interval(values: Iterable[float | None]) -> Interval:
    """Mean and 95 % interval of independent values; None values are left out and not counted.

    half width = t(.975, n - 1) s / sqrt(n), Student 1908.
    """
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    present = [float(value) for value in values if value is not None]
    if not present:
        return Interval(None, None, 0)
    n = len(present)
    if n == 1:
        return Interval(present[0], None, 1)
    deviation = statistics.stdev(present)
    return Interval(
        statistics.fmean(present), float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n), n
    )


class Paired(NamedTuple):
    """Mean difference of n pairs, half the width of its 95 % interval, two p values, sign flips.

    half_width and t_p: None for fewer than two pairs. t_p: Student's paired t, two-sided; None too
    where the differences do not vary. p: of sign flips, two-sided; None without pairs.
    exact: p comes from all 2^n signs, not from a random part of them.
    """

    difference: float | None
    half_width: float | None
    t_p: float | None
    p: float | None
    n: int
    exact: bool

    @property
    def settled(self) -> bool:
        """Whether the 95 % interval leaves zero out.

        Differences that are all one give it no width, whatever their number: there p decides, at
        5 %, so that five of them are too few and six are enough.
        """
        if not self.difference or self.half_width is None:
            return False
        if self.half_width == 0:
            return self.p is not None and self.p <= 0.05
        return abs(self.difference) > self.half_width


def paired(a: Sequence[float | None], b: Sequence[float | None]) -> Paired:
    """Compare values of two objectives, a[i] and b[i] of one seed; pairs with None are left out.

    The interval and t_p are Student's on the differences d; p is Fisher's randomisation test: the
    share of sign patterns s with |sum s d| >= |sum d|. Raises ValueError for unequal lengths.
    """
    from scipy.special import stdtr

    differences = [
        float(x) - float(y) for x, y in zip(a, b, strict=True) if x is not None and y is not None
    ]
    mean, half_width, n = mean_interval(differences)
    t_p = None
    if mean is not None and half_width:
        deviation = statistics.stdev(differences)
        t_p = 2.0 * float(stdtr(n - 1, -abs(mean) * math.sqrt(n) / deviation))
    return Paired(mean, half_width, t_p, sign_flip_p(differences), n, n <= EXACT_UP_TO)


def sign_flip_p(differences: Sequence[float], *, draws: int = DRAWS) -> float | None:
    """Two-sided p of the mean difference being zero under symmetric differences; None without any.

    All 2^n signs for n <= 20, exactly. Above that `draws` random signs (Philox, key 0) and the
    pattern seen itself: (1 + hits) / (1 + draws), never zero.
    """
    import numpy as np

    if not (n := len(differences)):
        return None
    d = np.asarray(differences, dtype=np.float64)  # (n,)
    # Sums that are equal in exact arithmetic differ in the last bits with the order of the signs.
    seen = abs(d.sum()) - 1e-9 * np.abs(d).sum()
    if n <= EXACT_UP_TO:
        sums = np.zeros(1)  # (2^i,)
        for value in d:
            sums = np.concatenate([sums + value, sums - value])
        return float((np.abs(sums) >= seen).mean())
    signs = np.random.Generator(np.random.Philox(0)).integers(0, 2, size=(draws, n), dtype=np.int8)
    hits = int((np.abs((2.0 * signs - 1.0) @ d) >= seen).sum())
    return (1 + hits) / (1 + draws)


def format_interval(interval: Interval, *, digits: int, factor: float = 1.0) -> str:
    """ "7.3 ± 0.4"; no "±" for a single value, "-" for none."""
    if interval.mean is None:
        return "-"
    text = f"{interval.mean * factor:.{digits}f}"
    if interval.half_width is None:
        return text
    return f"{text} ± {interval.half_width * factor:.{digits}f}"
