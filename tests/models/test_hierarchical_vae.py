"""The hierarchical VAE: KLs between the levels' own Gaussians, bounds, the ways of the codes."""

import math
from typing import Any

import pytest
import torch
from invariants import check_invariants
from torch.distributions import Normal, kl_divergence

from genbench import create_model
from genbench.errors import InputError
from genbench.protocol import Batch
from genbench.train.loop import global_seed

SEED = torch.tensor([3])


def model_of(shape=(2,), dims=(2, 3), **config) -> Any:
    with global_seed(0):
        model: Any = create_model(
            "hierarchical_vae", data_shape=shape, latent_dims=dims, width=8, path=8, **config
        )
    return model.double()


def points(n, shape=(2,)):
    rng = torch.Generator().manual_seed(1)
    return torch.rand(n, *shape, generator=rng, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("config", [{}, {"latent_dims": (2, 3, 4), "likelihood": "bernoulli"}])
def test_invariants(config):
    check_invariants("hierarchical_vae", points(5, (1, 3, 3)).float(), width=8, path=4, **config)


def test_residual_posteriors_have_the_kl_of_their_gaussians():
    """KL(N(mu + sigma m, (sigma s)^2) || N(mu, sigma^2)) by torch, level by level, along one way
    down with e = 0."""
    model, x = model_of(dims=(2, 3, 2)), points(4)
    expected, standard, d_seen = [], [], []

    def follow(level, m, log_s2):
        s = (log_s2 / 2).exp()
        standard.append(kl_divergence(Normal(m, s), Normal(0.0, 1.0)).sum(1))
        mu, sigma = torch.zeros_like(m), torch.ones_like(m)
        if level:
            mu, logvar = model.prior[level - 1](d_seen[-1]).unbind(1)
            sigma = (logvar / 2).exp()
        q = Normal(mu + sigma * m, sigma * s)
        expected.append(kl_divergence(q, Normal(mu, sigma)).sum(1))
        return torch.zeros_like(m)

    def note(module, inputs):
        d_seen.append(inputs[0][:, 8:])

    for residual in model.residual:
        residual.register_forward_pre_hook(note)
    model._infer(x, follow)
    torch.testing.assert_close(torch.stack(standard), torch.stack(expected))
    kl = model.level_kls(x, torch.Generator().manual_seed(0), 3)
    assert kl.shape == (3, 4) and (kl > 0).all()


def test_the_loss_is_minus_the_bound_with_free_nats_apart():
    x = points(6)
    terms, free = (model_of(free_nats=f).loss(Batch(x=x, seed=SEED), "model") for f in (0.0, 100.0))
    kls = terms["kl_0"] + terms["kl_1"]
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + kls)
    torch.testing.assert_close(free["loss"], free["reconstruction"] + 200)


def test_the_bounds_stand_in_order_and_the_mean_weight_is_the_density():
    """On binary pictures of 3 pixels the importance bound's exponentials sum to 1."""
    model = model_of((3,), likelihood="bernoulli")
    every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    rng = torch.Generator().manual_seed(0)
    many = every.repeat(300, 1)
    high = torch.logsumexp(model.importance_bound(many, rng, 10).view(300, 8), 0) - math.log(300)
    low = model.elbo(many, rng).view(300, 8).mean(0)
    assert high.exp().sum().item() == pytest.approx(1, abs=0.03)
    assert (low < high).all()


def test_codes_are_standard_normal_under_the_prior():
    """`sample` is `decode` of normal numbers, and a code's split is the levels' order."""
    model = model_of()
    e = torch.randn(5, 5, generator=torch.Generator().manual_seed(4)).double()
    again = model.sample(5, torch.Generator().manual_seed(4))
    torch.testing.assert_close(model.decode(e), again)
    lower = e.clone()
    lower[:, 2:] = 0  # the lower level's e = 0 is its prior's mean, which follows the upper level
    assert not torch.allclose(model.decode(lower)[0], model.decode(lower)[1])


def test_one_level_is_refused():
    with pytest.raises(InputError, match=r"latent_dims must name at least 2 levels, got \(4,\)"):
        model_of(dims=(4,))
