"""One metric to compare: its features, its variants, their truth; and how a group is measured.

A file in benchmarks/metrics/ states `Comparison`s in COMPARISONS and a test that takes
`metric_row`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from benchmarks.check import Disagreement
from benchmarks.peak import peak

Scores = tuple[float, ...]
Function = Callable[[Tensor, Tensor], Scores]  # (real (N, d), fake (M, d))
SECONDS, MOST = 2.0, 5  # aimed at for a variant, and the most rounds
LONG = 10.0  # seconds from which the call that was checked is the only round
WARM = slice(64)  # rows, columns of a first, untimed call: it loads code, threads, libraries


class Size(NamedTuple):
    """Rows of real and of fake, and their width."""

    rows: int
    width: int


@dataclass(frozen=True)
class Comparison:
    """A metric as benchmarks see it."""

    name: str
    features: Callable[[Size], tuple[Tensor, Tensor]]  # real, fake
    variants: Mapping[str, Callable[[], Function]]  # may raise ImportError or InputError
    truth: Function
    tolerance: float  # of |found - truth| in every score
    sizes: tuple[Size, ...]
    full_sizes: tuple[Size, ...]

    def group(self, size: Size) -> str:
        return f"{self.name}, N = M = {size.rows}, d = {size.width}"


class Timed(NamedTuple):
    """Seconds of every round of a variant, and the peak of its memory beyond the features."""

    seconds: list[float]
    extra_bytes: int | None


class Group(NamedTuple):
    """What became of one comparison at one size."""

    timed: dict[str, Timed]
    wrong: dict[str, Disagreement]


def measure(comparison: Comparison, size: Size, functions: Mapping[str, Function]) -> Group:
    """Checks each variant against the truth, then times those that agree in turn."""
    real, fake = comparison.features(size)
    truth = comparison.truth(real, fake)
    timed: dict[str, Timed] = {}
    wrong: dict[str, Disagreement] = {}
    for name, function in functions.items():
        function(real[WARM, WARM], fake[WARM, WARM])
        found = peak(lambda function=function: function(real, fake))
        try:
            refuse_wrong(name, found.result, truth, comparison.tolerance)
        except Disagreement as error:
            wrong[name] = error
        else:
            timed[name] = Timed([found.seconds], found.extra_bytes)
    time_in_turn({name: functions[name] for name in timed}, timed, real, fake)
    return Group(timed, wrong)


def time_in_turn(
    functions: Mapping[str, Function], timed: dict[str, Timed], real: Tensor, fake: Tensor
) -> None:
    """More rounds of each, as many as fit into SECONDS; a long call has its first alone."""
    first = {name: row.seconds.pop() for name, row in timed.items()}
    wanted = {name: min(MOST, max(1, int(SECONDS / spent))) for name, spent in first.items()}
    for number in range(MOST):
        for name, function in functions.items():
            if first[name] > LONG and number == 0:
                timed[name].seconds.append(first[name])
            elif number < wanted[name]:
                timed[name].seconds.append(peak(lambda f=function: f(real, fake)).seconds)


def refuse_wrong(name: str, found: Scores, truth: Scores, tolerance: float) -> None:
    """Raises Disagreement for another number of scores, or one that is off by more."""
    off = np.abs(np.subtract(found, truth[: len(found)]))
    if not (off <= tolerance).all():
        raise Disagreement(f"{name} gives {found}, the truth is {truth}")


def extra_info(comparison: Comparison, size: Size, name: str, timed: Timed) -> dict[str, Any]:
    """What a row holds; compare.py reads the percentiles."""
    p10, p50, p90 = np.percentile(timed.seconds, [10, 50, 90]) * 1e6
    extra = timed.extra_bytes
    return {
        "variant": name,
        "metric": comparison.name,
        "rows": size.rows,
        "width": size.width,
        "dtype": "float32",
        "p10_us": round(p10, 2),
        "median_us": round(p50, 2),
        "p90_us": round(p90, 2),
        "extra_mib": None if extra is None else round(extra / 2**20, 1),
    }
