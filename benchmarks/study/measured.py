"""How an objective's variants are measured: checked by their first losses, then timed in turn.

A figure is seconds of the whole machine for one step of one seed: those of a loop that has the
machine to itself, or half of those of a step of two workers.
"""

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.check import Disagreement
from benchmarks.machine import threads
from benchmarks.study.ours import CHECKED, DATA, WORKERS, Recorded, Workers
from benchmarks.study.plain import QUICK, PlainLoop, drawing
from genbench.data import mixture

CELLS = 12  # of an objective in the default study: six seeds, two data sets whose step is one code
WARM_UP = 50  # steps
TOLERANCE = 1e-3  # of a loss, after three updates in float32
PLAIN = {
    "plain loop, 1 thread": (1, False),
    "plain loop, 2 threads": (2, False),
    "plain loop, torch.compile, 1 thread": (1, True),
    "plain loop, torch.compile, 2 threads": (2, True),
}
OURS, ALL = "genbench", "genbench, compile time included"
VARIANTS = (*PLAIN, OURS, ALL)


class Measured(NamedTuple):
    """Seconds a step and seed by variant, one for each round, and why others are absent.

    Seconds until a cell's first step is done: start, in the worker that compiles into an empty
    cache (the others have other objectives to compile meanwhile); found, the first in a worker that
    finds the code there; again, of a further cell.
    """

    seconds: dict[str, list[float]]
    absent: dict[str, str]
    start: float
    found: float
    again: float

    @property
    def extra(self) -> float:
        """Seconds of the machine that all starts of an objective's cells add to a step and seed."""
        later = (CELLS - WORKERS) * self.again
        return (self.start + (WORKERS - 1) * self.found + later) / WORKERS / (CELLS * QUICK.steps)


def measure(objective: str, *, steps: int, rounds: int) -> Measured:
    """`rounds` of `steps` steps of every variant. Raises Disagreement before anything is timed."""
    recorded = Recorded(objective, seed=0)
    truth, loops, absent = losses_of(objective, recorded), {}, {}
    data = mixture(DATA)
    draw = drawing((data.means / data.scale).float(), data.sigma / data.scale)
    for name, (count, compiled) in PLAIN.items():
        loops[name] = PlainLoop(objective, compiled=compiled)
        try:
            with threads(count):
                for _ in range(WARM_UP):
                    loops[name].step(draw())
        except RuntimeError as error:
            absent[name] = str(error).splitlines()[0]
            del loops[name]
            torch.compiler.reset()  # else the next one fails no more, but runs uncompiled
    with tempfile.TemporaryDirectory() as cache:
        workers = Workers(objective, Path(cache))
        try:
            start, found = (workers.first(number, CHECKED) for number in range(WORKERS))
            refuse(start["losses"], truth)
            seconds, again = in_turn(loops, draw, workers, steps, rounds)
        finally:
            workers.close()
    measured = Measured(seconds, absent, start["start"], found["start"], again)
    seconds[ALL] = [value + measured.extra for value in seconds[OURS]]
    return measured


def in_turn(
    loops: dict[str, PlainLoop], draw: Any, workers: Workers, steps: int, rounds: int
) -> tuple[dict[str, list[float]], float]:
    """Seconds a step and seed of each variant by round, and the longest start of a later cell."""
    seconds: dict[str, list[float]] = {name: [] for name in (*loops, OURS)}
    again = 0.0
    for number in range(rounds):
        for name, loop in loops.items():
            with threads(PLAIN[name][0]):
                started = time.perf_counter()
                for _ in range(steps):
                    loop.step(draw())
                seconds[name].append((time.perf_counter() - started) / steps)
        found = workers.run(steps, WORKERS * (number + 1))
        slowest = max(answer["steps"] for answer in found)
        seconds[OURS].append(slowest / (steps - 1) / WORKERS)
        again = max(again, *(answer["start"] for answer in found))
    return seconds, again


def losses_of(objective: str, recorded: Recorded) -> list[list[float]]:
    """The plain loop's first losses from a cell's weights and draws."""
    loop = PlainLoop(objective)
    for name, player in (("generator", loop.generator), ("critic", loop.critic)):
        prefix = f"{name}.layers."
        own = {k.removeprefix(prefix): v for k, v in recorded.weights.items() if prefix in k}
        player.load_state_dict(own)
    return [[float(loss) for loss in loop.step(draws)] for draws in recorded.draws]


def refuse(found: list[list[float]], truth: list[list[float]]) -> None:
    """Raises Disagreement where the compiled step's first losses are not the plain loop's."""
    off = (torch.tensor(found, dtype=torch.float64) - torch.tensor(truth)).abs().max()
    if not off <= TOLERANCE:  # NaN disagrees
        raise Disagreement(f"first losses are {found}, the plain loop's {truth}")
