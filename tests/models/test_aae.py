"""The adversarial autoencoder: its priors, its three turns, and what only it can be asked."""

import math

import pytest
import torch
from invariants import check_invariants

from genbench import create_model, ops
from genbench.errors import InputError
from genbench.models.variational import aae
from genbench.protocol import Batch

X = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
SEED = torch.tensor([3])


def small(**config):
    torch.manual_seed(0)
    return create_model("aae", data_shape=(1, 4, 4), width=8, depth=1, **config)


@pytest.mark.parametrize("prior", ["gaussian", "mixture", "swiss_roll"])
def test_invariants(prior):
    check_invariants("aae", X, prior=prior, width=8, depth=1)


def test_invariants_of_vectors():
    check_invariants("aae", X.flatten(1), width=8, depth=1, latent_dim=3)


def test_the_mixture_has_ten_even_modes_of_its_own_spread():
    z = aae.make_prior(aae.Config((2,), prior="mixture"))(20_000, SEED)
    centre = z.view(-1, 1, 2) - aae.mixture_means(10)
    mode = centre.norm(dim=2).argmin(1)
    share = torch.bincount(mode, minlength=10) / len(z)
    # a share's deviation is .0021; nearest means cut .2 % of a mode off
    assert (share - 0.1).abs().max() < 0.01
    spread = centre[torch.arange(len(z)), mode].square().mean().sqrt()
    assert spread.item() == pytest.approx(aae.MIXTURE_STD, rel=0.03)
    assert z.norm(dim=1).mean().item() == pytest.approx(
        math.hypot(aae.RADIUS, aae.MIXTURE_STD / 2**0.5), rel=0.01
    )


def test_the_swiss_roll_winds_twice_and_stays_thin():
    curve = aae.roll_curve(torch.linspace(0, 1, 2001, dtype=torch.float64))
    angle = torch.atan2(curve[:, 1], curve[:, 0])
    turned = (torch.remainder(angle.diff() + math.pi, 2 * math.pi) - math.pi).sum()
    assert turned.item() == pytest.approx(2 * math.pi * aae.ROLL_TURNS, rel=1e-6)
    z = aae.make_prior(aae.Config((2,), prior="swiss_roll"))(5000, SEED).double()
    distance = torch.cdist(z, curve).amin(1)
    # across the curve the noise is a half-normal distance
    assert distance.square().mean().sqrt().item() == pytest.approx(aae.ROLL_STD, rel=0.05)


def test_each_turn_is_the_formula_of_the_paper():
    model = small(latent_dim=3)
    batch = Batch(x=X, seed=SEED)
    z = model.encode(X)
    logit = model.discriminator(z).double()
    loss = model.loss(batch, "encoder")["loss"]
    assert loss.item() == pytest.approx(-logit.sigmoid().log().mean().item(), rel=1e-5)
    drawn = model.discriminator(ops.normal((6, 3), seed=SEED)).double().sigmoid()
    expected = -(drawn.log().mean() + (1 - logit.sigmoid()).log().mean())
    found = model.loss(batch, "discriminator")["loss"].item()
    assert found == pytest.approx(expected.item(), rel=1e-5)  # float32 logits
    error = torch.nn.functional.mse_loss(model.reconstruct(X), X)
    assert torch.allclose(model.loss(batch, "reconstruction")["loss"], error)


def test_a_prior_of_ones_own_is_sampled_and_not_saved(tmp_path):
    ones = small(prior=lambda n, seed: torch.ones(n, 2))
    found = ones.sample(3, torch.Generator().manual_seed(0))
    assert torch.equal(found, ones.decode(torch.ones(3, 2)))
    with pytest.raises(InputError, match=r"^model: networks of its own cannot be written"):
        ones.save_pretrained(tmp_path / "own")


def test_unfit_configurations_are_refused():
    with pytest.raises(InputError, match="latent_dim must be 2 for the prior 'mixture', got 3"):
        small(prior="mixture", latent_dim=3)
    with pytest.raises(InputError, match=r"^z must be \(n, 2\), got \(5, 3\)"):
        small().decode(torch.zeros(5, 3))
    with pytest.raises(InputError, match=r"^x must be \(n, 1, 4, 4\)"):
        small().loss(Batch(x=X[:, 0], seed=SEED), "encoder")
