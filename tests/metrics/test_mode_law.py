"""What a perfect sampler has in each mode: quadrature, simulation, closed forms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from genbench.data import MIXTURES, Mixture, mixture
from genbench.metrics import mode_coverage, perfect_sampler
from genbench.metrics.mode_law import _law, high_quality_mass, mode_law, quality_radius

OVERLAPPING = ("spiral", "swissroll")


@given(st.integers(1, 5000))
def test_the_radius_is_three_or_holds_as_much_as_three_in_the_plane(d):
    radius = quality_radius(d)
    assert radius >= 3 and chi2.cdf(radius**2, d) >= 0.98889 - 1e-5
    assert radius == 3 if d <= 2 else chi2.sf(radius**2, d) == pytest.approx(math.exp(-4.5))


@pytest.mark.parametrize("d", [1, 2, 3, 10, 100, 700])
def test_a_perfect_sampler_passes_in_any_dimension(d):
    places = torch.zeros(3, d, dtype=torch.float64)
    places[:, 0] = torch.tensor([0.0, 1e3, 2e3])
    m = Mixture("far", places, 1.0)
    n = 4_000
    score = mode_coverage(m.sample(n, torch.Generator().manual_seed(d)), m)
    mass = high_quality_mass(m)
    assert mass == pytest.approx(0.9973 if d == 1 else 0.98889, abs=1e-5)
    assert score.high_quality == pytest.approx(mass, abs=4 * math.sqrt(mass * (1 - mass) / n))
    assert score.modes == score.modes_held == len(m.means)


def test_three_sigma_alone_would_refuse_every_sample_in_many_dimensions():
    assert chi2.cdf(9, 700) < 1e-300 < high_quality_mass(mixture("veegan1200"))


def test_modes_two_sigma_apart_on_a_line():
    # mode 0 holds what lies in -3..1, where both Gaussians have mass
    law = mode_law(Mixture("close", torch.tensor([[0.0], [2.0]]), 1.0))
    half = ((norm.cdf(1) - norm.cdf(-3)) + (norm.cdf(-1) - norm.cdf(-5))) / 2
    error = 4 * math.sqrt(0.25 / 2**19)  # of a share of 2^19 draws
    assert law.shares.tolist() == pytest.approx([half, half], abs=error)
    assert law.outside == pytest.approx(1 - 2 * half, abs=4 * math.sqrt(0.002 / 2**19))


def quadrature(m, step):
    """Shares and variances of a mixture in the plane by the midpoint rule over a square lattice."""
    reach = 3.2 * m.sigma
    low, high = m.means.min(dim=0).values - reach, m.means.max(dim=0).values + reach
    axes = [torch.arange(a, b, step, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    x = torch.cartesian_prod(*axes)
    mass = m.log_prob(x).exp() * step**2
    nearest = torch.cdist(x, m.means, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    inside = nearest.values <= 3 * m.sigma
    shares, variances = [], []
    for k in range(len(m.means)):
        cell = inside & (nearest.indices == k)
        p, points = mass[cell], x[cell]
        mean = (p[:, None] * points).sum(dim=0) / p.sum()
        shares.append(p.sum().item())
        variances.append(((points - mean).square().sum(dim=1) * p).sum().item() / shares[-1])
    return shares, variances


@pytest.mark.parametrize(
    "places",
    [
        pytest.param([[0.0, 0.0], [2.0, 0.0], [0.5, 3.0]], id="overlapping"),
        pytest.param([[0.0, 0.0], [10.0, 0.0]], id="apart"),
        pytest.param([[0.0, 0.0], [6.5, 0.0]], id="balls apart, tails not"),
    ],
)
def test_shares_and_variances_are_those_of_quadrature(places):
    m = Mixture("places", torch.tensor(places), 1.0)
    law = mode_law(m)
    shares, variances = quadrature(m, 0.02)
    # draws: 4 standard deviations of a share; lattice: its border, 20 x .02^1.5 x density .002
    assert law.shares.tolist() == pytest.approx(shares, abs=4 * math.sqrt(0.25 / 2**19) + 1e-4)
    assert law.outside == pytest.approx(1 - sum(shares), abs=1e-3)
    # a variance of some 2^19 / 3 squared distances, whose own deviation is about their mean
    assert law.variances.tolist() == pytest.approx(variances, rel=4 * math.sqrt(3 / 2**19) + 1e-3)


def test_modes_apart_need_no_draws():
    # 40 sigma apart: of a Gaussian cut off at r, E |x|^2 by integration over the radius
    law = mode_law(mixture("grid25"))
    r = torch.linspace(0, 3, 30_001, dtype=torch.float64)
    density = r * (-r.square() / 2).exp()
    second = torch.trapezoid(r.square() * density, r) / torch.trapezoid(density, r)
    assert law.variances.tolist() == pytest.approx([0.05**2 * second.item()] * 25, rel=1e-8)
    assert law.shares.tolist() == pytest.approx([(1 - math.exp(-4.5)) / 25] * 25, rel=1e-12)
    assert law.outside == pytest.approx(math.exp(-4.5), rel=1e-12)


@pytest.mark.parametrize("name", [*OVERLAPPING, "random25", "grid25-wgan_gp"])
def test_floors_are_what_fresh_samples_score(name):
    m, n, trials = mixture(name), 10_000, 15
    rng = torch.Generator().manual_seed(5)
    scores = [mode_coverage(m.sample(n, rng), m) for _ in range(trials)]
    expected = perfect_sampler(m, n)
    for key in expected._fields:
        values = torch.tensor([getattr(score, key) for score in scores], dtype=torch.float64)
        error = 4 * values.std().item() / math.sqrt(trials) + 2e-4  # and that of the draws
        assert values.mean().item() == pytest.approx(getattr(expected, key), abs=error), key


@pytest.mark.parametrize("name", OVERLAPPING)
def test_no_closed_form_would_do_where_modes_overlap(name):
    assert perfect_sampler(mixture(name), 10_000).high_quality > 0.995


def test_a_mode_hidden_behind_another_stays_finite():
    m = Mixture("twice", torch.zeros(2, 2), 1.0)
    score = mode_coverage(m.sample(1000, torch.Generator().manual_seed(0)), m)
    assert (score.modes, score.kl) == (1, pytest.approx(0, abs=1e-5))
    assert perfect_sampler(m, 1000).modes == pytest.approx(1, abs=0.01)


def test_the_draws_do_not_depend_on_the_thread_count():
    means = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64).numpy().tobytes()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(_law.__wrapped__(means, (2, 2), 1.0))  # past the cache
    torch.set_num_threads(1)
    assert torch.equal(found[0].shares, found[1].shares)
    assert torch.equal(found[0].variances, found[1].variances)


def test_a_subspace_counts_its_own_dimensions():
    slanted = torch.tensor([[0.6, 0.0], [0.8, 0.0], [0.0, 1.0]], dtype=torch.float64)
    places = torch.tensor([[0.0, 0.0], [1.5, 0.0]], dtype=torch.float64)
    flat, embedded = (
        mode_law(Mixture("m", places @ turn.T, 1.0, basis))
        for turn, basis in ((torch.eye(2).double(), None), (slanted, slanted))
    )
    assert torch.allclose(flat.shares, embedded.shares, atol=1e-9)
    assert torch.allclose(flat.variances, embedded.variances, rtol=1e-9)


def test_every_named_mixture_has_a_law():
    for name in MIXTURES:
        law = mode_law(mixture(name))
        assert law.shares.sum().item() + law.outside == pytest.approx(1, rel=1e-12), name
