"""Nearest neighbours of feature rows, decided in float64, in memory that grows with N + M.

Distances are Euclidean, by differences of the given values: copies are at distance 0 and ties are
ties. On the CPU the kernels of csrc/neighbours.h find them: exactly where the values need float64,
otherwise in float32 with a bound, and what the bound leaves open once more in float64. Elsewhere
`nearest_blocks` does the same with torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from genbench.metrics import nearest_blocks
from genbench.ops.backend import active
from genbench.ops.extension import register_fake

PANEL = 32  # rows; kPanel of csrc/neighbours.h
_TOP = 50  # entries are scaled below 2^_TOP, so that sums of their squares stay below 2^127
_LEAST = 2.0**-38  # entries from here on: the square of a difference is 0 or above 2^-126
_WIDEST = 2**20  # columns for which a float32 sum keeps a useful bound
_ENTRIES = 2**22  # of a piece of the features that is looked at or copied at once
_PART = 4e9  # differences between two reports of progress: about a second on one core

Progress = Callable[[int, int], None]  # (pairs of rows done, of)


class Points(NamedTuple):
    """A set of rows for this module's functions; squared distances are in units of 2^(-2 power).

    panels: (ceil(N / 32), d, 32) float32 or float64 for the kernels, None: torch computes.
    """

    rows: Tensor  # (N, d) as given, float32 where the panels are
    panels: Tensor | None
    power: int

    def distances(self, squared: Tensor) -> Tensor:
        """What this module's squared distances are in units of the features, float64."""
        return squared.sqrt() * 2.0**-self.power


class Meter:
    """Adds up pairs of rows and tells `progress`."""

    def __init__(self, progress: Progress | None, of: int) -> None:
        self.progress, self.of, self.done = progress, of, 0

    def add(self, pairs: int) -> None:
        self.done += pairs
        if self.progress is not None:
            self.progress(self.done, self.of)


def points(*sets: Tensor) -> list[Points]:
    """The sets, each (N, d) floating, finite, of one width and device, in common units."""
    top = max(float(part.abs().max()) for x in sets for part in _pieces(x))
    power = max(-1000, min(1000, _TOP - math.frexp(top)[1])) if top > 0 else 0
    if sets[0].device.type != "cpu" or active() != "fused":
        return [Points(x, None, power) for x in sets]
    if sets[0].shape[1] <= _WIDEST and all(_fits_float32(x, power) for x in sets):
        narrow = [x.float().contiguous() for x in sets]
        return [Points(x, _panels(x, torch.float32, power), power) for x in narrow]
    return [Points(x, _panels(x, torch.float64, power), power) for x in sets]


def nearest_others(x: Points, k: int, meter: Meter) -> Tensor:
    """(N, k) squared distances of each row to its k nearest other rows, ascending; float64."""
    if x.panels is None:
        return nearest_blocks.nearest_others(x.rows, x.power, k, meter.add)
    best = torch.full((len(x.rows), k), math.inf, dtype=torch.float64)
    narrow = _narrow(x)
    for part in _parts(x, x, meter, share=0.5):
        torch.ops.genbench.neighbours_others(x.panels, narrow, _scale(x), *part, best)
    return best


def nearest_in(x: Points, y: Points, k: int, meter: Meter) -> tuple[Tensor, Tensor]:
    """(N, k) squared distances of each row of x to its k nearest rows of y, ascending, float64,
    and the numbers of these rows, int64, the lower first where two are equally near."""
    if x.panels is None:
        return nearest_blocks.nearest_in(x.rows, y.rows, x.power, k, meter.add)
    best = torch.full((len(x.rows), k), math.inf, dtype=torch.float64)
    index = torch.zeros(best.shape, dtype=torch.int64)
    sets = (x.panels, _narrow(x), y.panels, _narrow(y), _scale(x))
    for part in _parts(x, y, meter):
        torch.ops.genbench.neighbours_in(*sets, len(y.rows), *part, best, index)
    return best, index


class Inside(NamedTuple):
    """Counts, int64, of x (N rows) and y (M rows) with a ball around each row of both."""

    balls_of_x: Tensor  # (M,) balls around rows of x that hold a row of y
    held_by_x: Tensor  # (N,) rows of y in the ball around a row of x
    balls_of_y: Tensor  # (N,) balls around rows of y that hold a row of x


def count_inside(x: Points, y: Points, x_radius: Tensor, y_radius: Tensor, meter: Meter) -> Inside:
    """Who lies in whose ball; a ball holds its boundary. Radii are squared distances, float64."""
    if x.panels is None:
        found = nearest_blocks.count_inside(x.rows, y.rows, x.power, x_radius, y_radius, meter.add)
        return Inside(*found)
    shapes = (len(y.rows), len(x.rows), len(x.rows))
    inside = Inside(*(torch.zeros(n, dtype=torch.int64) for n in shapes))
    sets = (x.panels, _narrow(x), y.panels, _narrow(y), _scale(x))
    radii = (x_radius.contiguous(), y_radius.contiguous())
    for part in _parts(x, y, meter):
        torch.ops.genbench.neighbours_inside(*sets, *radii, *part, *inside)
    return inside


def _scale(x: Points) -> float:
    """Of a squared distance between rows, which the kernels measure beside float32 panels."""
    return 1.0 if _narrow(x) is None else 2.0 ** (2 * x.power)


def _narrow(x: Points) -> Tensor | None:
    return x.rows if x.panels is not None and x.panels.dtype == torch.float32 else None


def _parts(x: Points, y: Points, meter: Meter, share: float = 1.0) -> Iterator[tuple[int, int]]:
    """(part, parts) of the kernel's work; between two of them Ctrl-C is heard."""
    pairs = int(len(x.rows) * len(y.rows) * share)
    parts = max(1, min(pairs, math.ceil(pairs * x.rows.shape[1] / _PART)))
    for part in range(parts):
        yield part, parts
        meter.add(pairs * (part + 1) // parts - pairs * part // parts)


def _pieces(x: Tensor) -> Iterator[Tensor]:
    return iter(x.split(max(1, _ENTRIES // x.shape[1])))


def _fits_float32(x: Tensor, power: int) -> bool:
    """Whether the scaled entries are float32 numbers that are 0 or at least _LEAST."""
    least = _LEAST * 2.0**-power
    for part in _pieces(x):
        if x.dtype == torch.float64 and not torch.equal(part.float().double(), part):
            return False
        size = part.abs()
        if bool(((size < least) & (size > 0)).any()):
            return False
    return True


def _panels(x: Tensor, dtype: torch.dtype, power: int) -> Tensor:
    count, width = len(x), x.shape[1]
    panels = torch.full((-(-count // PANEL), width, PANEL), math.nan, dtype=dtype)
    several = max(1, _ENTRIES // (PANEL * width))
    for first in range(0, len(panels), several):
        part = x[first * PANEL : (first + several) * PANEL]
        # scaled in float64: 2^power need not be a float32 number
        part = (part.double() * 2.0**power).to(dtype)
        whole = len(part) // PANEL
        if whole:
            full = part[: whole * PANEL].view(whole, PANEL, width)
            panels[first : first + whole] = full.transpose(1, 2)
        if rest := len(part) % PANEL:
            panels[-1, :, :rest] = part[-rest:].T
    return panels


@register_fake("neighbours_others")
def _(panels, rows, scale, part, parts, best):
    return None


@register_fake("neighbours_in")
def _(x_panels, x_rows, y_panels, y_rows, scale, y_count, part, parts, best, index):
    return None


@register_fake("neighbours_inside")
def _(x_panels, x_rows, y_panels, y_rows, scale, x_radius, y_radius, part, parts, a, b, c):
    return None
