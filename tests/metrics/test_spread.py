"""Spread within modes: closed forms by quadrature, hand cases, intervals over fresh samples."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from genbench.data import Mixture, mixture
from genbench.errors import InputError
from genbench.metrics import mode_coverage, mode_spread, mode_spread_estimate

RING, GRID = mixture("ring8"), mixture("grid25")


def drawn(m, n, seed, width=1.0):
    """n samples of the mixture with `width` times its sigma."""
    wide = Mixture("wide", m.means, m.sigma * width)
    return wide.sample(n, torch.Generator().manual_seed(seed))


def truncated(width):
    """E |x|^2 / sigma^2 of a Gaussian of deviation width x sigma in the plane, cut at 3 sigma."""
    r = torch.linspace(0, 3, 30_001, dtype=torch.float64)
    density = r * (-r.square() / (2 * width**2)).exp()
    return (torch.trapezoid(r.square() * density, r) / torch.trapezoid(density, r)).item()


@pytest.mark.parametrize("width", [0.05, 0.5, 0.85, 1.0, 1.15, 2.0])
def test_spread_of_a_sampler_of_another_width(width):
    found = mode_spread_estimate(drawn(GRID, 40_000, 1, width), GRID)
    expected = math.sqrt(truncated(width) / truncated(1.0))
    assert found.spread.value == pytest.approx(expected, abs=4 * found.spread.standard_error)
    assert found.spread.standard_error < 0.01 * width + 0.002


def test_by_hand():
    m = Mixture("two", torch.tensor([[0.0, 0.0], [100.0, 0.0]]), 1.0)
    right = math.sqrt(truncated(1.0))
    # mode 0: two samples one apart, s^2 = .5; mode 1: three at a distance of 1 in a triangle about
    # their mean, s^2 = 3 / 2; one sample beyond three sigma counts for nothing
    ring = [(100 + math.cos(a), math.sin(a)) for a in (0.0, 2 * math.pi / 3, 4 * math.pi / 3)]
    x = torch.tensor([(0.0, 0.0), (0.0, 1.0), *ring, (50.0, 0.0)], dtype=torch.float64)
    found = mode_spread(x, m)
    assert found.least == pytest.approx(math.sqrt(0.5) / right, rel=1e-6)
    assert found.most == pytest.approx(math.sqrt(1.5) / right, rel=1e-6)
    # pooled: (1 x .5 + 2 x 1.5) / 3
    assert found.spread == pytest.approx(math.sqrt(3.5 / 3) / right, rel=1e-6)


def test_collapse_onto_centres_is_of_high_quality_and_has_no_spread():
    x = RING.means.repeat(100, 1)
    assert mode_coverage(x, RING).high_quality == 1
    assert mode_spread(x, RING) == (0, 0, 0)
    assert mode_spread_estimate(x, RING).spread == (0, 0, 0, 0)


def test_a_tight_cluster_beside_its_centre_has_no_spread_either():
    x = RING.means.repeat(100, 1) + 0.1
    assert mode_spread(x, RING).most < 1e-6


def test_one_collapsed_mode_shows_in_least():
    x = drawn(RING, 8_000, 2)
    mode = torch.cdist(x, RING.means).argmin(dim=1)
    x[mode == 3] = RING.means[3]
    found = mode_spread(x, RING)
    assert found.least == 0 and found.most < 1.15
    assert found.spread == pytest.approx(math.sqrt(7 / 8), abs=0.02)


def test_modes_that_are_not_held_do_not_count():
    # 19 samples on a cross within mode 0: below a fifth of 800 / 8; all others at mode 1
    cross = RING.means[0] + 0.1 * torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).double().repeat(10, 1)
    x = torch.cat([cross[:19], RING.means[1].repeat(781, 1)])
    assert mode_spread(x, RING).most == 0
    x = torch.cat([cross[:20], RING.means[1].repeat(780, 1)])
    assert mode_spread(x, RING).most > 0


@pytest.mark.parametrize("x", [torch.full((10, 2), 50.0), torch.zeros(1, 2)])
def test_without_a_held_mode_there_is_none(x):
    m = RING if len(x) > 1 else Mixture("one", torch.zeros(1, 2), 1.0)
    assert all(math.isnan(value) for value in mode_spread(x, m))
    found = mode_spread_estimate(x, m)
    assert all(math.isnan(part) for estimate in found for part in estimate)


@pytest.mark.parametrize("d", [1, 3, 10, 60])
def test_a_perfect_sampler_in_any_dimension(d):
    m = Mixture("far", 1e3 * torch.eye(max(d, 2), d, dtype=torch.float64), 1.0)
    found = mode_spread_estimate(m.sample(4_000, torch.Generator().manual_seed(d)), m)
    assert found.spread.value == pytest.approx(1, abs=4 * found.spread.standard_error)
    # the radius cuts 1.1 % off: d sigma^2 falls by what lies beyond it, E[q; q > r^2] = d sf_{d+2}
    if d > 2:
        r = float(chi2.isf(math.exp(-4.5), d))
        inside = m.sample(4_000, torch.Generator().manual_seed(d))
        expected = d * (1 - chi2.sf(r, d + 2)) / (1 - math.exp(-4.5))
        offset = inside - m.means[torch.cdist(inside, m.means).argmin(dim=1)]
        kept = offset.square().sum(dim=1)
        kept = kept[kept <= r]
        assert kept.mean().item() == pytest.approx(expected, rel=5 * math.sqrt(2 / d / 4000))


@pytest.mark.parametrize("name", ["spiral", "swissroll", "ring8-pacgan"])
def test_a_perfect_sampler_of_a_named_mixture(name):
    m = mixture(name)
    found = mode_spread_estimate(m.sample(20_000, torch.Generator().manual_seed(3)), m)
    assert found.spread.value == pytest.approx(1, abs=4 * found.spread.standard_error)
    assert 0.8 < found.least.value < 1 < found.most.value < 1.2


def test_intervals_cover():
    repeats, hits = 300, 0
    truth = math.sqrt(truncated(0.7) / truncated(1.0))
    for seed in range(repeats):
        found = mode_spread_estimate(drawn(RING, 1_000, seed, 0.7), RING).spread
        hits += found.low <= truth <= found.high
    assert hits / repeats >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / repeats)


def test_the_estimate_holds_the_value_and_arrays_do_not_matter():
    x = drawn(GRID, 5_000, 4, 0.9)
    plain, found = mode_spread(x, GRID), mode_spread_estimate(x, GRID, level=0.9)
    assert plain == tuple(estimate.value for estimate in found)
    assert all(estimate.low < estimate.value < estimate.high for estimate in found)
    assert mode_spread(x.numpy(), GRID) == plain
    wider = mode_spread_estimate(x, GRID, level=0.99)
    assert wider.spread.low < found.spread.low


def test_order_blocks_and_scale_do_not_matter():
    x = drawn(RING, 20_000, 5)
    turned = mode_spread(x.flip(0), RING)
    assert turned == pytest.approx(mode_spread(x, RING), rel=1e-12)  # sums in another order
    large = Mixture("large", RING.means * 1e6, RING.sigma * 1e6)
    assert mode_spread(x * 1e6, large) == pytest.approx(mode_spread(x, RING), rel=1e-9)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (torch.zeros(3, 3), r"samples: must be \(N, 2\), got shape \(3, 3\)"),
        (torch.zeros(0, 2), "samples: must have at least 1 rows"),
        (np.array([[0.0, np.nan]]), "samples: must be finite"),
    ],
)
@pytest.mark.parametrize("metric", [mode_spread, mode_spread_estimate])
def test_bad_samples_are_refused(metric, samples, words):
    with pytest.raises(InputError, match=words):
        metric(samples, RING)


@pytest.mark.cuda
def test_cuda_agrees():
    x = drawn(RING, 5_000, 6)
    # atomic additions in any order
    assert mode_spread(x.cuda(), RING) == pytest.approx(mode_spread(x, RING), rel=1e-12)
