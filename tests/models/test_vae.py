"""The VAE's bound by other derivations, and the ways its formula is often misprinted."""

import math
from typing import Any

import pytest
import torch
from invariants import check_invariants
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal, kl_divergence

from genbench import create_model
from genbench.errors import InputError
from genbench.protocol import Batch
from genbench.train.loop import global_seed

SEED = torch.tensor([3])


def vae(name="vae", shape=(2,), **config) -> Any:
    sizes = {"latent_dim": 2, "width": 8, "depth": 1}
    with global_seed(0):
        model: Any = create_model(name, data_shape=shape, **{**sizes, **config})
    return model.double()


def points(n, shape=(2,), key=1):
    rng = torch.Generator().manual_seed(key)
    return torch.rand(n, *shape, generator=rng, dtype=torch.float64) * 2 - 1


def rng(key=0):
    return torch.Generator().manual_seed(key)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"likelihood": "bernoulli", "samples": 3, "latent_dim": 2},
        {"likelihood": "learned_gaussian", "std": 0.1, "levels": 17, "drawn_samples": True},
    ],
    ids=["gaussian", "bernoulli", "learned"],
)
def test_invariants(config):
    x = points(5, (1, 3, 3)).float()
    check_invariants("vae", x, width=8, depth=1, **config)


def linear(likelihood="gaussian", std=0.5) -> Any:
    """A VAE without hidden layers, so that x is Gaussian: factor analysis."""
    return vae(depth=0, shape=(3,), likelihood=likelihood, std=std)


def exact_log_prob(model, x):
    """log p(x) of a linear decoder."""
    layer = model.decoder.layers[0]
    noise = model.config.std**2 * torch.eye(x.shape[1], dtype=x.dtype)
    law = MultivariateNormal(layer.bias, layer.weight @ layer.weight.T + noise)
    return law.log_prob(x).detach()


def set_exact_posterior(model):
    """The encoder's layer such that its mean is the posterior's, and the posterior's covariance."""
    layer, var = model.decoder.layers[0], model.config.std**2
    w = layer.weight.detach()
    covariance = torch.linalg.inv(torch.eye(2, dtype=w.dtype) + w.T @ w / var)
    gain = covariance @ w.T / var  # (2, 3)
    own = model.encoder.layers[0]
    with torch.no_grad():
        own.weight[:2], own.bias[:2] = gain, -gain @ layer.bias
        own.weight[2:], own.bias[2:] = 0, covariance.diagonal().log()
    return covariance


def test_the_bound_is_tight_for_the_exact_posterior():
    model, x = linear(), points(50, (3,))
    with torch.no_grad():  # orthogonal columns: the posterior's covariance is diagonal
        model.decoder.layers[0].weight[:, 0] = torch.tensor([1.0, 2.0, 0.0])
        model.decoder.layers[0].weight[:, 1] = torch.tensor([2.0, -1.0, 0.5])
    set_exact_posterior(model)
    exact = exact_log_prob(model, x)
    # every importance weight is p(x): no noise is left
    torch.testing.assert_close(model.importance_bound(x, rng(), 3), exact, rtol=1e-9, atol=1e-9)
    found = model.elbo(x.repeat(400, 1), rng(), 10).view(400, 50).mean(0)
    # the reconstruction's standard deviation is about 1.2 a draw: 3.5 standard errors of 4000
    assert (found - exact).abs().max().item() < 0.07


def test_the_bounds_stand_in_order():
    model, x = linear(), points(50, (3,))
    exact, low = exact_log_prob(model, x), model.elbo(x, rng(), 500)
    high = model.importance_bound(x, rng(1), 500)
    assert (low < high).all()
    # unbiased before the logarithm: what is left is the noise of 500 weights in 50 rows
    assert abs((exact - high).mean().item()) < 0.1 < (exact - low).mean().item()


def test_the_kl_is_that_of_torch_distributions():
    model, x = vae(beta=2.5), points(7)
    mu, logvar = model.posterior(x)
    closed = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(1)
    terms = model.loss(Batch(x=x, seed=SEED), "model")
    # float64 sums of 2 terms
    assert terms["kl"].item() == pytest.approx(closed.mean().item(), rel=1e-12)
    total = terms["reconstruction"] + 2.5 * closed.mean()
    assert terms["loss"].item() == pytest.approx(total.item(), rel=1e-12)


def posterior_of(model, mu, sigma):
    """Sets q(z | x) to N(mu, sigma^2) whatever x is."""
    last = model.encoder.layers[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([mu, mu, *[2 * math.log(sigma)] * 2], dtype=torch.float64))


@pytest.mark.parametrize("sigma", [0.5, 0.71, 1.0, 2.0])
def test_the_kl_keeps_its_half_and_its_square(sigma):
    """mu^2 + sigma^2 - 1 - log sigma, without the half and the square, is negative at .71."""
    model = vae()
    posterior_of(model, 0.0, sigma)
    kl = model.loss(Batch(x=points(4), seed=SEED), "model")["kl"].item()
    misprinted = 2 * (sigma**2 - 1 - math.log(sigma))
    assert kl == pytest.approx(2 * 0.5 * (sigma**2 - 1 - math.log(sigma**2)), abs=1e-12)
    assert kl >= 0 and (sigma != 0.71 or misprinted < 0)


def test_the_logarithm_of_sigma_is_subtracted():
    """With + log sigma for - log sigma the loss would drive sigma to 0 instead of to 1."""
    model, slopes = vae(), []
    for sigma in (0.1, 1.0, 3.0):
        posterior_of(model, 0.0, sigma)
        bias = model.encoder.layers[-1].bias
        kl = model.loss(Batch(x=points(4), seed=SEED), "model")["kl"]
        slopes.append(torch.autograd.grad(kl, bias)[0][2].item())
    assert slopes[0] < 0 and abs(slopes[1]) < 1e-12 and slopes[2] > 0


def test_training_raises_the_bound():
    """The loss is minus the bound: a step down the one is a step up the other."""
    model, x = linear(), points(200, (3,))
    before, exact = model.elbo(x, rng(), 20).mean(), exact_log_prob(model, x).mean()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(60):
        loss = model.loss(Batch(x=x, seed=torch.tensor([step])), "model")["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model.elbo(x, rng(), 20).mean() > before + 0.5
    assert exact_log_prob(model, x).mean() > exact


def test_samples_of_each_x_are_averaged():
    one, many = (vae(samples=s) for s in (1, 4000))
    x = points(3)
    expected = one.loss(Batch(x=x.repeat(4000, 1), seed=torch.tensor([4])), "model")
    found = many.loss(Batch(x=x, seed=SEED), "model")
    # two means of 12000 draws, whose standard deviation is below 50 nats
    assert found["loss"].item() == pytest.approx(expected["loss"].item(), abs=1.5)
    torch.testing.assert_close(found["kl"], expected["kl"])


def test_bernoulli_bounds_a_probability():
    """The importance bound, exponentiated, sums to 1 over all pictures but for its noise."""
    model = vae(shape=(3,), likelihood="bernoulli")
    every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    weights = model.importance_bound(every.repeat(300, 1), rng(), 10).exp()
    assert weights.view(300, 8).mean(0).sum().item() == pytest.approx(1, abs=0.03)
    z = torch.zeros(8, 2, dtype=torch.float64)
    law = Independent(Bernoulli(logits=model.decoder(z)[:, 0]), 1)
    found = model.likelihood.log_prob(model.decoder(z), every)
    torch.testing.assert_close(found, law.log_prob((every > 0).double()))


def test_levels_are_spread_over_their_intervals():
    """The loss of 3 levels is the mean over x that differ by less than half a level."""
    model = vae(levels=3, likelihood="gaussian")
    x = torch.tensor([[-1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    with torch.no_grad():  # x_hat = 0 and q = prior: the loss is of x alone
        for parameter in model.parameters():
            parameter.zero_()
    found = model.loss(Batch(x=x.repeat(4000, 1), seed=SEED), "model")["loss"].item()
    squares = 0.5 + 2 * 1 / 12  # E |x + u|^2, u uniform on [-1/2, 1/2] twice, mean of rows
    squares += 0.5
    var = model.config.std**2
    expected = squares / (2 * var) + math.log(2 * math.pi * var)
    # the standard error of 4000 is .04
    assert found == pytest.approx(expected, abs=0.2)


def test_the_manifold_is_a_grid_of_equal_cells():
    model = vae()
    grid = model.manifold(4)
    quarter = Normal(0.0, 1.0).icdf(torch.tensor([0.125, 0.375, 0.625, 0.875])).double()
    assert grid.shape == (16, 2)
    torch.testing.assert_close(grid[6], model.decode(quarter[[1, 2]][None])[0], rtol=1e-5, atol=0)
    with pytest.raises(InputError, match="manifold needs latent_dim 2, got 3"):
        vae(latent_dim=3).manifold(4)


def test_missing_entries_follow_the_visible_ones():
    """For a linear decoder and the exact posterior the chain's law is the conditional Gaussian."""
    model = linear(std=0.5)
    with torch.no_grad():
        model.decoder.layers[0].weight.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
        model.decoder.layers[0].bias.zero_()
    set_exact_posterior(model)
    x = torch.tensor([[0.8, 0.0, 0.3]], dtype=torch.float64).repeat(4000, 1)
    mask = torch.tensor([[True, False, True]]).expand(4000, 3)
    filled = model.impute(x, mask, rng(), 20)
    assert torch.equal(filled[mask], x[mask])
    # E x_2 given x_1: weight 1 over 1 + std^2; the standard error of 4000 is .008
    assert filled[:, 1].mean().item() == pytest.approx(0.8 / 1.25, abs=0.03)
    with pytest.raises(InputError, match=r"mask must be bool \(4000, 3\), got float64"):
        model.impute(x, mask.double(), rng())


def test_beta_vae_is_a_preset():
    assert vae("beta_vae").config.beta == 4.0
    assert vae("beta_vae", beta=8.0).config.beta == 8.0


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"beta": -1.0}, "beta must be a finite number of at least 0, got -1.0"),
        ({"std": 0.0}, "std must be a finite number above 0, got 0.0"),
        ({"likelihood": "poisson"}, "likelihood must be one of 'bernoulli', 'gaussian'"),
        ({"likelihood": "bernoulli", "levels": 17}, "levels must be none where x is binarised"),
        ({"latent": 3}, "vae has no field 'latent'; did you mean 'latent_dim'"),
    ],
)
def test_a_bad_config_is_refused(config, words):
    with pytest.raises(InputError, match=words):
        create_model("vae", data_shape=(2,), **config)
