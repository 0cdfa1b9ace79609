"""Intervals hold the truth as often as they say."""

import math

import pytest
import torch
from scipy import stats

from genbench.errors import InputError
from genbench.metrics.intervals import (
    Estimate,
    bootstrap_estimate,
    counts_estimate,
    mean,
    mean_estimate,
    normal_estimate,
    quantile,
    share_estimate,
    within,
)

REPEATS = 2_000
SLACK = 4 * math.sqrt(0.95 * 0.05 / REPEATS)  # four standard errors of a counted share


def test_quantiles_are_those_of_the_normal_law():
    # P(|Z| <= z) = erf(z / sqrt 2)
    for level in (0.5, 0.9, 0.95, 0.999):
        assert math.erf(quantile(level) / math.sqrt(2)) == pytest.approx(level, abs=1e-12)


def test_few_values_take_students_quantiles():
    # one degree of freedom: Cauchy's law, tan(pi level / 2); two: level sqrt(2 / (1 - level^2))
    assert quantile(0.95, degrees=1) == pytest.approx(math.tan(math.pi * 0.475), rel=1e-9)
    assert quantile(0.9, degrees=2) == pytest.approx(0.9 * math.sqrt(2 / 0.19), rel=1e-9)
    assert normal_estimate(1.0, 2.0, degrees=1).high == 1 + 2 * quantile(0.95, degrees=1)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95.0, float("nan")])
def test_levels_outside_zero_and_one_are_refused(level):
    with pytest.raises(InputError, match="level: must be between 0 and 1, got"):
        normal_estimate(0.0, 1.0, level=level)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (3, 10), (137, 1000)])
def test_the_share_interval_is_wilsons(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    found = share_estimate(hits, n)
    # the root of n^2-sized terms loses half the digits near 0 and 1
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-8)
    assert found.low <= found.value <= found.high


def test_the_mean_interval_covers():
    rng = torch.Generator().manual_seed(0)
    x = torch.empty(REPEATS, 100).exponential_(generator=rng)
    found = [mean_estimate(row) for row in x]
    covered = sum(e.low <= 1.0 <= e.high for e in found) / REPEATS
    assert 0.93 - SLACK <= covered <= 0.95 + SLACK  # skewness costs about a point at n = 100


def test_the_bootstrap_of_a_mean_has_its_standard_error():
    x = torch.randn(400, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def resampled(rng: torch.Generator) -> float:
        return x[torch.randint(len(x), (len(x),), generator=rng)].mean().item()

    found = bootstrap_estimate(x.mean().item(), resampled, repeats=2_000)
    truth = x.std(correction=0).item() / math.sqrt(len(x))  # of the resampled law, exactly
    assert found.standard_error == pytest.approx(truth, rel=4 / math.sqrt(2 * 2_000))
    assert found == bootstrap_estimate(x.mean().item(), resampled, repeats=2_000)


def test_two_bootstrap_values_have_their_deviation():
    drawn = iter([1.0, 3.0])
    found = bootstrap_estimate(2.0, lambda rng: next(drawn), repeats=2)
    assert found.standard_error == pytest.approx(math.sqrt(2), rel=1e-14)


def test_what_gives_no_interval_is_refused():
    with pytest.raises(InputError, match="repeats: must be a whole number of at least 2, got 1"):
        bootstrap_estimate(0.0, lambda rng: 0.0, repeats=1)
    with pytest.raises(InputError, match="an interval needs at least 2 of them, got 1"):
        mean_estimate(torch.ones(1))


def test_the_bootstrap_of_counts_is_that_of_rows():
    # the share of a bin: binomial, whatever the other bins hold
    counts = torch.tensor([30.0, 0.0, 50.0, 20.0], dtype=torch.float64)
    found = counts_estimate(0.3, counts, lambda drawn: drawn[0].item() / 100, repeats=2_000)
    assert found.standard_error == pytest.approx(
        math.sqrt(0.3 * 0.7 / 100), rel=4 / math.sqrt(2 * 2_000)
    )
    empty = counts_estimate(0.0, counts, lambda drawn: drawn[1].item(), repeats=10)
    assert empty == (0, 0, 0, 0)


def test_ends_stay_within_a_metrics_bounds():
    assert within(Estimate(0.5, -0.1, 1.2, 0.3), 0, 1) == (0.5, 0, 1, 0.3)
    assert within(Estimate(0.5, 0.4, 0.6, 0.05), 0, math.inf) == (0.5, 0.4, 0.6, 0.05)


def test_threads_and_order_do_not_change_a_mean():
    x = torch.rand(200_001, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found += [mean_estimate(x), mean_estimate(x.flip(0))]
    torch.set_num_threads(1)
    assert found[0].value == mean(x) == pytest.approx(x.mean().item(), rel=1e-12)
    assert found.count(found[0]) == 4


def test_an_infinite_value_leaves_no_interval():
    found = mean_estimate(torch.tensor([1.0, math.inf, 2.0]))
    assert found.value == math.inf and all(math.isnan(end) for end in found[1:])
