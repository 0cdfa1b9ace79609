"""Geometry of the charts: where means, bands, floors and whiskers lie, computed by hand."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_rows import DIVERGED, row

from genbench.report.charts import HEIGHT, WIDTH, charts, rounded_up, thousands, whisker
from genbench.report.groups import group_rows
from genbench.report.portraits import SIDE, Portrait, draw


def points(path):
    return [tuple(map(float, pair)) for pair in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)]


def with_curve(seed, *held):
    curve = [{"step": 50 * (i + 1), "modes_held": value} for i, value in enumerate(held)]
    return row("a", seed, held=held[-1], curve=curve)


def test_a_curve_is_the_mean_and_its_band_the_interval():
    (group,) = group_rows([with_curve(0, 0, 4), with_curve(1, 0, 6)])
    (chart,) = charts(group)
    (curve,) = chart.curves
    low, high = HEIGHT - 20, 10  # the axis of 0..8 modes
    middle, right = 30 + (WIDTH - 38) / 2, WIDTH - 8
    start, end = points(curve.mean)
    assert start == pytest.approx((middle, low), abs=0.06)  # a tenth of a unit is printed
    assert end == pytest.approx((right, low - 5 / 8 * (low - high)), abs=0.06)
    band = points(curve.band)
    assert band[0] == band[-1] == pytest.approx((middle, low), abs=0.06)
    assert band[1] == (right, high) and band[2] == (right, low)  # 5 +- 12.7 is cut at 0 and 8
    assert chart.floor == high
    assert [tick.text for tick in chart.y_ticks] == ["0", "4", "8"]
    assert [tick.text for tick in chart.x_ticks] == ["0", "50", "100"]


def test_one_seed_has_no_band():
    (group,) = group_rows([with_curve(0, 1, 2)])
    assert charts(group)[0].curves[0].band == ""
    assert charts(group_rows([row(curve=[])])[0]) == []


def test_a_whisker_shows_seeds_mean_interval_and_floor():
    (group,) = group_rows([row("a", 0, held=4), row("a", 1, held=6), row("a", 2, **DIVERGED)])
    w = whisker(group, "a")
    assert (w.seeds, w.mean, w.low, w.high, w.floor) == ([0.5, 0.75], 0.625, 0.0, 1.0, 1.0)
    (alone,) = group_rows([row("b", **DIVERGED)])
    assert whisker(alone, "b").mean is None


@given(st.floats(1e-9, 1e9))
def test_an_axis_ends_little_above_its_greatest_value(value):
    top = rounded_up(value)
    assert value * (1 - 1e-9) <= top <= 2.5 * value


def test_numbers_of_steps():
    assert [thousands(n) for n in (0, 999, 1000, 1500, 400_000)] == [
        "0",
        "999",
        "1k",
        "1.5k",
        "400k",
    ]
    assert rounded_up(0) == 0


def spiral(decay):
    angle = np.linspace(0, 6 * np.pi, 200)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * np.exp(decay * angle)[:, None]


@pytest.mark.parametrize(
    ("decay", "word"), [(-0.2, "converges"), (0, "does not settle"), (0.1, "diverges")]
)
def test_a_portrait_starts_at_its_start_and_says_where_it_goes(decay, word):
    places = np.array([[x, y] for x in (-1.5, 0, 1.5) for y in (-1.5, 0, 1.5)])
    portrait = Portrait(
        "a", spiral(decay), places, np.stack([-places[:, 1], places[:, 0]], 1), [1j, -1j]
    )
    drawn = draw(portrait)
    reach = 1.5 * 1.08
    assert drawn.start == pytest.approx(
        (SIDE / 2 * (1 + 1 / reach), SIDE / 2)
    )  # theta to the right
    up = points(drawn.trajectory)[17]  # a quarter of a turn on: psi upwards
    assert up[1] < SIDE / 2
    assert drawn.caption == f"{word}; eigenvalues 0.00 + 1.00i, 0.00 - 1.00i"
    # tail, tip; left, tip, right of the head: the middle place, where the field is 0, has no length
    arrows = np.array(points(drawn.arrows)).reshape(9, 5, 2)
    assert (arrows[:, 1] == arrows[:, 3]).all()
    lengths = np.linalg.norm(arrows[:, 1] - arrows[:, 0], axis=1)
    assert lengths.max() < SIDE / 3 and lengths[4] == 0  # no arrow reaches the next place
    across, down = arrows[1, 1] - arrows[1, 0]  # at (-1.5, 0) the field is (0, -1.5): downwards
    assert across == 0 and down > 0


def test_a_portrait_without_an_end_still_draws():
    track = np.array([[1.0, 1.0], [np.inf, np.nan]])
    drawn = draw(Portrait("a", track, np.ones((1, 2)), np.zeros((1, 2)), None))
    assert drawn.caption == "diverges" and "nan" not in drawn.trajectory
