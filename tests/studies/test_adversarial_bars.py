"""What judges the adversarial systems: each on cases whose answer is known."""

import pytest
import torch

from genbench.models.variational.aae import Config, make_prior
from genbench.studies.bars import aae, caae, dcgan, shape_judges, vq_vae2

SEED = torch.tensor([3])


@pytest.mark.parametrize(
    ("prior", "judge", "expected"),
    [("mixture", aae.in_modes, 0.9889), ("swiss_roll", aae.on_roll, 0.9973)],
)
def test_draws_of_a_prior_lie_where_they_should(prior, judge, expected):
    share, near = judge(make_prior(Config((2,), prior=prior))(20_000, SEED))
    # three deviations in the plane, and across a line; neighbouring arms and modes take a few
    assert near == pytest.approx(expected, abs=0.004)
    assert (share - 0.1).abs().max() < 0.02
    assert aae.chance(prior) < 0.6


def test_codes_at_one_place_fill_one_mode():
    share, near = aae.in_modes(torch.zeros(50, 2))
    assert share.max() == 1 and share.min() == 0 and near == 0


def test_determination_is_one_for_what_was_asked_and_zero_for_its_mean():
    asked = torch.rand(200, 1)
    assert caae.determination(asked, asked) == 1
    assert caae.determination(asked, asked.mean().expand(200, 1)) == pytest.approx(0, abs=1e-5)


def test_perplexity_of_even_codes_is_their_number():
    assert vq_vae2.perplexity(torch.arange(16).repeat(3)) == pytest.approx(16)
    assert vq_vae2.perplexity(torch.full((2, 3), 5)) == pytest.approx(1)


def test_gaussian_pictures_have_mean_and_covariance():
    rng = torch.Generator().manual_seed(0)
    factor = torch.tensor([[0.2, 0.0], [0.1, 0.1]])
    x = (torch.randn(3000, 2, generator=rng) @ factor.T).view(-1, 1, 1, 2)
    found = shape_judges.gaussian_pictures(x, 3000, rng).flatten(1)
    # entries of a covariance of 3,000 rows deviate by .04 * sqrt(2 / 3000) = .001
    assert torch.allclose(found.T.cov(), x.flatten(1).T.cov(), atol=0.005)


def test_gradient_energy_of_stripes():
    x = torch.zeros(2, 1, 4, 4)
    x[..., ::2] = 1.0  # three steps of 1 a row of four
    assert shape_judges.gradient_energy(x) == pytest.approx(3 / 4)


def test_a_probe_reads_separate_classes_and_guesses_at_noise():
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 4
    noise = torch.randn(400, 8, generator=rng).double()
    clear = noise + 20 * torch.nn.functional.one_hot(labels, 8)
    assert dcgan.ridge(clear, labels, clear, labels, rng, 4) == 1
    other = torch.randn(400, 8, generator=rng).double()
    assert dcgan.ridge(noise, labels, other, labels, rng, 4) == pytest.approx(0.25, abs=0.1)
