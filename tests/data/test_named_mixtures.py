"""Where the modes of the named mixtures lie: by hand, by their sources, and by their own rules."""

import math

import numpy as np
import pytest
import torch

from genbench.data import mixture


def test_ring_counts_no_mode_twice():
    means = mixture("ring8").means
    assert torch.allclose(means.norm(dim=1), torch.ones(8, dtype=torch.float64))
    apart = torch.pdist(means).min().item()
    assert apart == pytest.approx(2 * math.sin(math.pi / 8))


def test_grid_is_five_by_five():
    m = mixture("grid25")
    assert {tuple(row) for row in m.means.tolist()} == {
        (float(x), float(y)) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)
    }
    assert m.sigma == 0.05 and mixture("grid25-pacgan").digest == m.digest


def test_published_variants():
    ring = mixture("ring8-pacgan")
    assert torch.equal(ring.means, mixture("ring8").means) and ring.sigma == 0.01
    ring, grid = mixture("ring8-wgan_gp"), mixture("grid25-wgan_gp")
    assert ring.means.norm(dim=1).tolist() == pytest.approx([2 / 1.414] * 8)
    assert ring.sigma == pytest.approx(0.02 / 1.414)
    assert grid.means.abs().max().item() == pytest.approx(4 / 2.828)
    assert grid.sigma == pytest.approx(0.05 / 2.828)
    # the divisors are the standard deviations, which the authors rounded
    assert ring.scale == pytest.approx(1, abs=1e-3) and grid.scale == pytest.approx(1, abs=1e-3)


def test_random_places_are_those_of_the_seed_and_lie_apart():
    rng, places = torch.Generator().manual_seed(25), []
    while len(places) < 25:
        place = (torch.rand(2, generator=rng, dtype=torch.float64) * 800 - 400).round() / 100
        if all(math.dist(place, other) >= 1 for other in places):
            places.append(place.tolist())
    m = mixture("random25")
    assert m.means.tolist() == places
    assert torch.pdist(m.means).min() >= 20 * m.sigma


def test_spiral_has_two_arms_of_equal_length_steps():
    m = mixture("spiral")
    one, other = m.means.split(50)
    assert torch.equal(one, -other)
    # the arm (-n cos n, n sin n) / 3 turns by one radian for each unit of n
    radius = 3 * one.norm(dim=1)
    angle = torch.atan2(one[:, 1], -one[:, 0])
    assert torch.allclose(torch.sin(angle - radius), torch.zeros(50).double(), atol=1e-12)
    assert radius.square().tolist() == pytest.approx(
        [9 * math.pi**2 * (k + 0.5) / 50 for k in range(50)]
    )
    # u uniform: steps along the arm are alike once n is large
    steps = (one[1:] - one[:-1]).norm(dim=1)[10:]
    assert steps.max() / steps.min() < 1.1


def test_swiss_roll_is_that_of_scikit_learn():
    from sklearn.datasets import make_swiss_roll

    x, t = make_swiss_roll(1_000_000, noise=0.0, random_state=0)
    m = mixture("swissroll")
    radius = 7.5 * m.means.norm(dim=1)  # t of a mode, by the curve's equation
    # a quantile of n uniform draws: standard deviation at most 1 / (2 sqrt(n)), here of 3 pi
    expected = np.quantile(t, (np.arange(100) + 0.5) / 100)
    assert np.abs(radius.numpy() - expected).max() < 5 * 0.5 / 1000 * 3 * math.pi
    turned = torch.stack([torch.cos(radius), torch.sin(radius)], dim=1) * radius[:, None]
    assert torch.allclose(turned, 7.5 * m.means, atol=1e-9)
    plane = torch.from_numpy(x[:1000, [0, 2]])
    curve = torch.from_numpy(np.stack([t * np.cos(t), t * np.sin(t)], axis=1)[:1000])
    assert torch.allclose(plane, curve)
    assert m.sigma == 0.25 / 7.5


def test_ten_gaussians_of_700_dimensions_in_1200():
    m = mixture("veegan1200")
    assert m.means.shape == (10, 1200) and m.dimensions == 700 and m.basis is not None
    assert torch.pdist(m.means).tolist() == pytest.approx([60 * math.sqrt(2)] * 45)
    # no coordinate of the 1200 is a coordinate of the 700
    assert m.basis.abs().max() < 0.05
    x = m.sample(400, torch.Generator().manual_seed(0))
    assert torch.allclose(x @ m.basis @ m.basis.T, x, atol=1e-9)
    squared = torch.cdist(x, m.means).min(dim=1).values.square()
    # chi-squared of 700 degrees of freedom: mean 700, variance 1400
    assert squared.mean().item() == pytest.approx(700, abs=4 * math.sqrt(1400 / 400))
    assert squared.var().item() == pytest.approx(1400, rel=4 * math.sqrt(2 / 400))
    assert x.var(dim=0).mean().sqrt().item() == pytest.approx(m.scale, rel=0.02)
    assert m.digest == mixture("veegan1200").digest


def test_a_hundred_modes_of_the_curves():
    for name in ("spiral", "swissroll"):
        assert len(mixture(name).means) == 100
