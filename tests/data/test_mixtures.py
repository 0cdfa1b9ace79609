"""Mixtures against torch.distributions, quadrature and their own samples."""

import math

import pytest
import torch
from torch import distributions as D

from genbench.data import MIXTURES, Mixture, Stream, mixture
from genbench.errors import InputError


def as_distribution(m):
    component = D.Independent(D.Normal(m.means, torch.full_like(m.means, m.sigma)), 1)
    return D.MixtureSameFamily(
        D.Categorical(torch.ones(len(m.means), dtype=torch.float64)), component
    )


PLANE = [name for name in MIXTURES if name != "veegan1200"]


@pytest.mark.parametrize("name", PLANE)
def test_log_prob_is_that_of_the_distribution(name):
    m = mixture(name)
    x = m.sample(200, torch.Generator().manual_seed(0)) * 1.01
    assert torch.allclose(m.log_prob(x), as_distribution(m).log_prob(x), rtol=1e-10)


def test_density_integrates_to_one():
    m = Mixture("wide ring", mixture("ring8").means, 0.2)
    axis = torch.linspace(-3, 3, 601, dtype=torch.float64)
    total = m.log_prob(torch.cartesian_prod(axis, axis)).exp().sum() * 0.01**2
    assert total.item() == pytest.approx(1, abs=1e-6)  # trapezoid of a smooth function: exponential


@pytest.mark.parametrize("name", PLANE)
def test_scale_is_the_standard_deviation_of_samples(name):
    m = mixture(name)
    x = m.sample(200_000, torch.Generator().manual_seed(1))
    # relative standard error of a standard deviation is below 1 / sqrt(2 * 200,000) = .0016
    assert x.var(dim=0).mean().sqrt().item() == pytest.approx(m.scale, rel=0.006)
    # every mode alike: |count - n / K| < 5 sqrt(n / K)
    counts = torch.bincount(torch.cdist(x, m.means).argmin(1), minlength=len(m.means))
    expected = 200_000 / len(m.means)
    assert (counts - expected).abs().max() < 5 * math.sqrt(expected)


def test_samples_repeat():
    m = mixture("ring8")
    a, b = (m.sample(10, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(a, b) and a.dtype == torch.float64


def test_digest_sees_means_and_sigma():
    ring = mixture("ring8")
    assert ring.digest == mixture("ring8").digest
    assert len({ring.digest, mixture("ring8-pacgan").digest, mixture("grid25").digest}) == 3


@pytest.mark.parametrize(
    ("means", "sigma", "words"),
    [
        ([1.0, 2.0], 0.1, "means must be"),
        (torch.zeros(0, 2), 0.1, "means must be"),
        ([[float("nan"), 0.0]], 0.1, "means must be finite"),
        ([[0.0, 0.0]], 0.0, "sigma must be a finite number > 0, got 0.0"),
        ([[0.0, 0.0]], float("inf"), "sigma must be a finite number > 0, got inf"),
    ],
)
def test_a_bad_mixture_is_refused(means, sigma, words):
    with pytest.raises(InputError, match=words):
        Mixture("bad", torch.as_tensor(means), sigma)


SLANTED = torch.tensor([[0.6, 0.0], [0.8, 0.0], [0.0, 1.0]], dtype=torch.float64)


def test_density_within_a_subspace_is_that_of_its_coordinates():
    places = torch.tensor([[0.0, 0.0], [3.0, 1.0]], dtype=torch.float64)
    embedded, flat = Mixture("slanted", places @ SLANTED.T, 0.5, SLANTED), Mixture("f", places, 0.5)
    y = flat.sample(100, torch.Generator().manual_seed(0))
    assert torch.allclose(embedded.log_prob(y @ SLANTED.T), flat.log_prob(y), rtol=1e-12)
    # what float32 rounds is still on it, a hundredth of sigma is not
    assert embedded.log_prob((y @ SLANTED.T).float()).isfinite().all()
    off = torch.tensor([0.8, -0.6, 0.0], dtype=torch.float64)  # orthogonal to both columns
    assert embedded.log_prob(y @ SLANTED.T + 0.005 * off).eq(-math.inf).all()
    assert embedded.scale == pytest.approx(
        math.sqrt((9 / 4 + 1 / 4) / 3 + 0.25 * 2 / 3)  # variances of both coordinates over three
    )
    x = embedded.sample(1000, torch.Generator().manual_seed(1))
    assert (x @ off).abs().max() < 1e-12
    assert embedded.digest != Mixture("x", places @ SLANTED.T, 0.5).digest


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        (torch.eye(2), "basis must be (3, d) with d of 1 to 3, got shape (2, 2)"),
        (2 * torch.eye(3), "basis must have orthonormal columns"),
        (torch.eye(3) * math.nan, "basis must have orthonormal columns"),
        (torch.eye(3)[:, :2], "basis must span the means, got a mean 1 beside it"),
    ],
)
def test_a_bad_basis_is_refused(basis, words):
    with pytest.raises(InputError) as caught:
        Mixture("bad", torch.eye(3), 0.1, basis)
    assert words in str(caught.value)


def test_unknown_name():
    with pytest.raises(InputError, match="data: unknown name 'ring9'; did you mean 'ring8'"):
        mixture("ring9")


def test_stream_goes_on_where_it_was_saved():
    m = mixture("ring8")
    stream = Stream(m.sample, batch_size=4, seed=0, scale=m.scale)
    next(stream)
    state = stream.state_dict()
    expected = [next(stream) for _ in range(3)]
    other = Stream(m.sample, batch_size=4, seed=99, scale=m.scale)
    other.load_state_dict(state)
    assert all(torch.equal(next(other), x) for x in expected)
    assert expected[0].dtype == torch.float32 and expected[0].shape == (4, 2)
