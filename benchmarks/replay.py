"""Recorded seconds through pytest-benchmark: a timer, which its marker takes, that reads them out.

pytest-benchmark runs one test at a time, an interleaved measurement all variants of a group at
once. So the group is measured when its first row is asked for, and each row replays its seconds:
`benchmark.pedantic(..., rounds=n, iterations=1)` reads the timer before and after each round.
"""

from collections.abc import Sequence
from typing import Any


class ReplayClock:
    """A timer whose readings are 0 and a recorded duration in turn: differences are exact."""

    __name__ = "replayed"  # what a row's options call its timer

    def __init__(self) -> None:
        self.readings: list[float] = []

    def __call__(self) -> float:
        return self.readings.pop()

    def load(self, seconds: Sequence[float]) -> None:
        self.readings = [reading for spent in reversed(seconds) for reading in (spent, 0.0)]


def replay(benchmark: Any, clock: ReplayClock, seconds: Sequence[float]) -> None:
    """Makes `seconds` the rounds of a benchmark fixture whose marker's timer is `clock`."""
    clock.load(seconds)
    benchmark.pedantic(lambda: None, rounds=len(seconds), iterations=1)
    if benchmark.stats is not None and clock.readings:
        raise RuntimeError(
            f"{len(clock.readings)} readings were not taken: another timer is in use"
        )
