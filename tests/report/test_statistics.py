"""Means and intervals against scipy and simulation."""

import pytest
import torch
from scipy import stats

from genbench.report.statistics import Interval, format_interval, mean_interval


def test_interval_is_students():
    values = [1.0, 2.5, 4.0, 3.0]
    low, high = stats.t.interval(0.95, 3, loc=2.625, scale=stats.sem(values))
    found = mean_interval(values)
    assert found.mean == pytest.approx(2.625) and found.n == 4
    assert found.half_width == pytest.approx((high - low) / 2)


def test_the_interval_holds_the_mean_95_times_of_100():
    draws = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = [mean_interval(row) for row in draws.tolist()]
    share = sum(abs(i.mean or 0) <= (i.half_width or 0) for i in found) / len(found)
    assert share == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / 4000) ** 0.5)


def test_missing_values_are_not_counted():
    assert mean_interval([2.0, None]) == Interval(2.0, None, 1)
    assert mean_interval([None]) == Interval(None, None, 0)


@pytest.mark.parametrize(
    ("values", "text"),
    [([0.5, 0.7], "60.0 ± 127.1"), ([0.25], "25.0"), ([], "-"), ([1.0, 1.0], "100.0 ± 0.0")],
)
def test_text(values, text):
    assert format_interval(mean_interval(values), digits=1, factor=100) == text
