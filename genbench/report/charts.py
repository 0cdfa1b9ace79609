"""Geometry of the page's charts: numbers become SVG paths, which follow the reader's theme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from genbench.report.groups import Group
from genbench.report.statistics import Interval, mean_interval

WIDTH, HEIGHT = 240, 150  # of a panel, in the SVG's units
_LEFT, _RIGHT, _TOP, _BOTTOM = 30, 8, 10, 20

Point = tuple[float, float]


class Tick(NamedTuple):
    """A place on an axis and what stands there."""

    at: float
    text: str


class Curve(NamedTuple):
    """SVG paths of one loss: the mean over seeds, and the 95 % band around it ("" for one seed)."""

    loss: str
    mean: str
    band: str
    end: Point


@dataclass(frozen=True)
class Chart:
    """A score along training: a panel for each loss, on common axes."""

    key: str
    title: str
    curves: Sequence[Curve]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    floor: float | None  # where a perfect sampler's score lies


_SCORES = (("modes_held", "modes held"), ("high_quality", "high-quality share"), ("kl", "KL, nats"))


def charts(group: Group) -> list[Chart]:
    """A chart for each score that the rows' curves hold."""
    found = (_chart(group, key, title) for key, title in _SCORES)
    return [chart for chart in found if chart is not None]


def _chart(group: Group, key: str, title: str) -> Chart | None:
    means = {loss: _along(group, loss, key) for loss in group.losses}
    values = [i.mean for points in means.values() for i in points.values() if i.mean is not None]
    if not values:
        return None
    floor = group.floor.get(key)
    top = _top(key, group, [*values, floor or 0.0])
    last = max(step for points in means.values() for step in points)

    def place(step: float, value: float) -> Point:
        across = _LEFT + (WIDTH - _LEFT - _RIGHT) * step / last
        share = min(max(value / top, 0.0), 1.0)
        return across, HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share

    curves = [_curve(loss, points, place) for loss, points in means.items() if points]
    return Chart(
        key,
        title,
        curves,
        [Tick(place(step, 0)[0], thousands(step)) for step in (0, last / 2, last)],
        [Tick(place(0, value)[1], _label(key, value)) for value in (0, top / 2, top)],
        place(0, floor)[1] if floor is not None else None,
    )


def _along(group: Group, loss: str, key: str) -> Mapping[int, Interval]:
    """Mean and interval over seeds at every step where some seed has the score."""
    runs = [row.get("curve") or [] for row in group.of(loss)]
    steps = sorted({p["step"] for run in runs for p in run if p.get(key) is not None})
    by_step = [{p["step"]: p.get(key) for p in run} for run in runs]
    return {step: mean_interval(run.get(step) for run in by_step) for step in steps}


def _top(key: str, group: Group, values: Sequence[float]) -> float:
    if key == "high_quality":
        return 1.0
    if key == "modes_held" and group.mode_count:
        return float(group.mode_count)
    return rounded_up(max(values)) or 1.0


def rounded_up(value: float) -> float:
    """The least of 1, 2, 2.5, 5, 10 times a power of ten that is at least `value`; 0 for <= 0."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 2, 2.5, 5, 10) if unit * step >= value * (1 - 1e-9))


def _label(key: str, value: float) -> str:
    return f"{value:.0%}" if key == "high_quality" else f"{value:g}"


def thousands(step: float) -> str:
    """A number of steps: 0, 500, 1.5k, 20k."""
    return f"{step / 1000:g}k" if step >= 1000 else f"{step:g}"


def _curve(loss: str, points: Mapping[int, Interval], place: Any) -> Curve:
    mean = [place(step, i.mean) for step, i in points.items()]
    width = {step: i.half_width or 0.0 for step, i in points.items()}
    upper = [place(step, (i.mean or 0.0) + width[step]) for step, i in points.items()]
    lower = [place(step, (i.mean or 0.0) - width[step]) for step, i in points.items()]
    band = f"{path([*upper, *reversed(lower)])}Z" if any(width.values()) else ""
    return Curve(loss, path(mean), band, mean[-1])


def path(points: Sequence[Point]) -> str:
    """An SVG path through the points."""
    return "".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))


@dataclass(frozen=True)
class Whisker:
    """A score of one loss on a line of 0..1: seeds as dots, the mean, its interval, the floor."""

    seeds: Sequence[float]
    mean: float | None
    low: float | None
    high: float | None
    floor: float | None


def whisker(group: Group, loss: str) -> Whisker:
    """Modes held as a share of all modes; the interval is cut at 0 and 1."""
    count = group.mode_count or max((r["modes_held"] or 0 for r in group.rows), default=0) or 1
    shares = [row["modes_held"] / count for row in group.of(loss) if row["modes_held"] is not None]
    interval, floor = mean_interval(shares), group.floor.get("modes_held")
    at = None if floor is None else floor / count
    if interval.mean is None or interval.half_width is None:
        return Whisker(shares, interval.mean, None, None, at)
    low, high = interval.mean - interval.half_width, interval.mean + interval.half_width
    return Whisker(shares, interval.mean, max(0.0, low), min(1.0, high), at)
