"""The VAE with planar flows: its law of z by a change of variables, its bounds."""

import math
from typing import Any

import pytest
import torch
from invariants import check_invariants
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.func import jacrev, vmap

from genbench import create_model
from genbench.models.variational.flow_vae import Config, FlowVAE
from genbench.protocol import Batch
from genbench.train.loop import global_seed

SEED = torch.tensor([3])


def flow_vae(**config) -> Any:
    sizes = {"latent_dim": 2, "width": 8, "depth": 1, "flows": 3}
    with global_seed(0):
        model: Any = create_model("flow_vae", data_shape=(2,), **{**sizes, **config})
    return model.double()


def points(n):
    rng = torch.Generator().manual_seed(1)
    return torch.randn(n, 2, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_invariants(likelihood):
    x = torch.rand(5, 1, 3, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    check_invariants("flow_vae", x, width=8, depth=1, flows=2, likelihood=likelihood)


def test_without_flows_the_kl_is_the_closed_form():
    model, x = flow_vae(flows=0), points(6)
    mu, logvar = model.encoder(x).chunk(2, dim=1)
    closed = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    found = model.loss(Batch(x=x, seed=SEED), "model")["kl"]
    assert found.item() == pytest.approx(closed.item(), rel=1e-12)


def test_the_log_determinants_of_all_flows_add_up():
    """The sum against the Jacobian of the whole map, float64."""
    model, x = flow_vae(), points(6)
    flows = model.flow_numbers(x)

    def whole(z, numbers):
        return model.flow(z[None], numbers[None])[0][0]

    _, expected = torch.linalg.slogdet(vmap(jacrev(whole))(x, flows))
    torch.testing.assert_close(model.flow(x, flows)[1], expected, rtol=0, atol=1e-5)


class Ignores(nn.Module):
    """A decoder that gives 0 whatever z is."""

    def forward(self, z):
        return z.new_zeros(len(z), 1, 2)


def test_the_bound_is_exact_up_to_the_kl():
    """p(x | z) without z: the importance bound tends to log p(x), the ELBO lacks KL(q, p(z))."""
    config = Config((2,), latent_dim=2, width=8, depth=1, flows=3, std=1.0)
    with global_seed(0):
        model = FlowVAE(config, decoder=Ignores()).double()
    x = points(5)
    exact = Normal(0.0, 1.0).log_prob(x).sum(1)
    rng, many = torch.Generator().manual_seed(0), x.repeat(20000, 1)
    high = model.importance_bound(many, rng, 10).view(20000, 5)
    high = torch.logsumexp(high, 0) - math.log(20000)
    low = model.elbo(many, rng).view(20000, 5).mean(0)
    # weights p(z) / q(z) of bounded variance: 200000 of them are off by 1 %
    torch.testing.assert_close(high, exact, rtol=0, atol=0.05)
    assert (low < exact).all()


def test_draws_of_the_posterior_follow_its_density():
    """E_q of p(z) / q(z) is 1, by draws of q and the density that the bound uses."""
    model = flow_vae()
    x = points(1).repeat(20000, 1)
    mu, logvar, flows = model._posterior(x)
    z0 = mu + (logvar / 2).exp() * points(20000)
    z, log_det = model.flow(z0, flows)
    log_q = Normal(mu, (logvar / 2).exp()).log_prob(z0).sum(1) - log_det
    weights = (Normal(0.0, 1.0).log_prob(z).sum(1) - log_q).exp()
    assert weights.mean().item() == pytest.approx(1, abs=0.05)
    drawn = model.posterior_sample(x, torch.Generator().manual_seed(0))
    # two sets of 20000 draws of one law: five standard errors of the difference of means
    assert ((drawn.mean(0) - z.mean(0)).abs() < 5 * z.std(0) * (2 / 20000) ** 0.5).all()
