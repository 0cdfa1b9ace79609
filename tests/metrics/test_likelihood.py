"""Bits per dimension: closed forms, the scale of the data, and the mistakes others made."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from genbench.errors import InputError
from genbench.metrics import bits_per_dim, bits_per_dim_estimate, nats, nats_estimate


@pytest.mark.parametrize(
    ("value_range", "width"), [((0.0, 1.0), 1.0), ((-1.0, 1.0), 2.0), (None, 256.0)]
)
def test_a_uniform_density_over_256_levels_takes_8_bits(value_range, width):
    # density 1 / width in each of 3,072 dimensions
    log_density = torch.full((5,), -3072 * math.log(width), dtype=torch.float64)
    found = bits_per_dim(log_density, dimensions=3072, value_range=value_range)
    assert found == pytest.approx(8, rel=1e-14)  # a dozen roundings


def test_coins_take_one_bit():
    # log-probabilities of 28 x 28 binary pixels, no density: nothing to shift
    log_probability = torch.full((3,), 784 * math.log(0.5), dtype=torch.float64)
    assert bits_per_dim(log_probability, dimensions=784, bins=2, value_range=None) == pytest.approx(
        1, rel=1e-14
    )
    assert nats(log_probability) == pytest.approx(543.4274, abs=1e-4)


def test_by_hand():
    # -3 nats in 2 dimensions on [0, 1]: 3 / (2 ln 2) + 8 bits; not 3 / 2, not without the 8
    assert bits_per_dim(torch.tensor([-2.0, -4.0]), dimensions=2) == pytest.approx(10.164042561)
    assert bits_per_dim(torch.tensor([-3.0]), dimensions=2, bins=32) == pytest.approx(7.164042561)
    assert nats(torch.tensor([-2.0, -4.0])) == 3.0
    # a model that is sure beyond a level's width: negative bits are possible for densities
    assert bits_per_dim(torch.tensor([20.0]), dimensions=2) == pytest.approx(-6.426950409)


@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 256 / 255)])
def test_a_gaussian_takes_the_bits_of_its_entropy(a, b):
    mu, sigma, n = 128.0, 20.0, 20_000  # in levels
    x = stats.norm.ppf((np.arange(n) + 0.5) / n, mu, sigma)  # equal parts of its mass
    scale = (b - a) / 256
    log_density = stats.norm.logpdf(a + x * scale, a + mu * scale, sigma * scale)
    found = bits_per_dim(log_density, dimensions=1, value_range=(a, b))
    # the tails' last 1 / n of mass is a point each: 1e-3 bits
    assert found == pytest.approx(0.5 * math.log2(2 * math.pi * math.e * sigma**2), abs=1e-3)
    # the levels themselves take as many, up to the curvature of the density within a level
    edges = stats.norm.cdf(np.arange(257), mu, sigma)
    levels = stats.entropy(np.diff(edges), base=2)
    assert found == pytest.approx(levels, abs=2e-3)


def test_an_uneven_density_within_a_level_costs_bits():
    # 3/2 of the level's share on its lower half, 1/2 on its upper: a log-density lower on average
    # by ln(3/2) / 2 + ln(1/2) / 2 than the level's log-probability (Jensen)
    p = torch.tensor([0.4, 0.3, 0.1, 0.1, 0.05, 0.03, 0.01, 0.01], dtype=torch.float64)
    levels = -(p * p.log2()).sum().item()
    log_density = torch.cat([(1.5 * p).log(), (0.5 * p).log()])
    counts = torch.cat([p, p]).mul(100).round().long()
    found = bits_per_dim(
        log_density.repeat_interleave(counts), dimensions=1, bins=8, value_range=(0.0, 8.0)
    )
    assert found == pytest.approx(levels - math.log2(0.75) / 2, rel=1e-14)


@given(
    st.lists(st.floats(-1e5, 1e5), min_size=2, max_size=50),
    st.integers(1, 10_000),
    st.floats(0.01, 100),
)
def test_rescaled_data_take_the_same_bits(values, dimensions, width):
    # densities of y = width x: log p(y) = log p(x) - D ln width
    x = torch.tensor(values, dtype=torch.float64)
    y = x - dimensions * math.log(width)
    a = bits_per_dim(x, dimensions=dimensions)
    b = bits_per_dim(y, dimensions=dimensions, value_range=(0.0, width))
    # rounding of terms up to 1e5 + 5 D nats, of which D ln 2 are one bit
    assert a == pytest.approx(b, abs=1e-14 * (1e5 / dimensions + 20) * 20)
    assert nats(y) - nats(x) == pytest.approx(dimensions * math.log(width), abs=1e-9)


@given(st.lists(st.floats(-1e5, 1e5), min_size=2, max_size=50))
def test_order_does_not_matter(values):
    x = torch.tensor(values, dtype=torch.float64)
    shuffled = torch.tensor(sorted(values), dtype=torch.float64)
    assert bits_per_dim(x, dimensions=3) == bits_per_dim(shuffled, dimensions=3)
    assert nats_estimate(x) == nats_estimate(shuffled)


def test_threads_dtypes_and_arrays_do_not_matter():
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * 50 - 3000
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append((bits_per_dim_estimate(x, dimensions=784), nats_estimate(x)))
    torch.set_num_threads(1)
    assert found[0] == found[1]
    assert bits_per_dim(x.double().numpy(), dimensions=784) == found[0][0].value
    assert nats(torch.tensor([-1.5, -2.5], dtype=torch.bfloat16)) == 2.0


def test_intervals_cover_the_entropy():
    # -log p of a standard normal: (ln 2 pi + z^2) / 2, mean (ln 2 pi + 1) / 2 nats
    rng = torch.Generator().manual_seed(1)
    truth = (math.log(2 * math.pi) + 1) / 2
    repeats, covered = 1_000, 0
    for _ in range(repeats):
        z = torch.randn(200, generator=rng, dtype=torch.float64)
        found = nats_estimate(-(math.log(2 * math.pi) + z**2) / 2)
        covered += found.low <= truth <= found.high
    slack = 4 * math.sqrt(0.95 * 0.05 / repeats)
    assert 0.94 - slack <= covered / repeats <= 0.95 + slack  # skewness costs a point at n = 200


def test_bits_and_nats_have_one_interval():
    x = torch.tensor([-3.0, -5.0, -4.5])
    bits = bits_per_dim_estimate(x, dimensions=7, value_range=None, level=0.9)
    scaled = [number / (7 * math.log(2)) for number in nats_estimate(x, level=0.9)]
    assert bits == pytest.approx(scaled, rel=1e-14)


def test_a_sample_without_density_has_infinitely_many_bits():
    x = torch.tensor([-1.0, -math.inf])
    assert nats(x) == bits_per_dim(x, dimensions=2) == math.inf
    found = nats_estimate(x)
    assert found.value == math.inf and math.isnan(found.low)


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        ([1.0], {"dimensions": 0}, "dimensions: must be a whole number of at least 1, got 0"),
        ([1.0], {"bins": 0}, "bins: must be a whole number of at least 1, got 0"),
        ([1.0], {"value_range": (1.0, 1.0)}, "value_range: must be two finite numbers a < b"),
        ([1.0], {"value_range": (0.0, math.inf)}, "value_range: must be two finite numbers"),
        ([0.0, math.nan], {}, "log_likelihood: must not be NaN or .inf, got nan in row 1"),
        ([math.inf], {}, "log_likelihood: must not be NaN or .inf, got inf in row 0"),
        ([], {}, "log_likelihood: must have at least 1 values, got 0"),
        ([[1.0]], {}, r"log_likelihood: must be floating \(N,\), .* got float32 of shape \(1, 1\)"),
        ([1, 2], {}, "log_likelihood: must be floating .* got int64"),
        ("nats", {}, "log_likelihood: must be a tensor or an array"),
    ],
)
def test_bad_input_is_refused(values, options, words):
    with pytest.raises(InputError, match=words):
        bits_per_dim(values, **{"dimensions": 2, **options})


def test_one_value_has_no_interval():
    for estimate in (nats_estimate, lambda x: bits_per_dim_estimate(x, dimensions=1)):
        with pytest.raises(InputError, match="log_likelihood: must have at least 2 values, got 1"):
            estimate(torch.ones(1))
