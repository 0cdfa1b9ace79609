"""DDPM: its steps by Bayes' rule in float64, exact noise predictions, algorithm 2 misprinted."""

import math
from dataclasses import replace

import pytest
import torch
from exact_noise import ExactNoise
from invariants import check_invariants
from torch import nn
from torch.distributions import Normal, kl_divergence

from genbench import create_model
from genbench.data import mixture
from genbench.metrics import mode_coverage, mode_spread
from genbench.models.diffusion.ddpm import DDPM, Config
from genbench.protocol import Batch


def exact(name, **config):
    """A DDPM that predicts the noise of a mixture exactly; data scaled to unit deviation."""
    data = mixture(name)
    c = Config(data_shape=(2,), **config)
    network = ExactNoise(data.means / data.scale, data.sigma / data.scale, c.alpha_bars())
    return DDPM(c, network), data


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_invariants(schedule):
    x = torch.randn(7, 2, generator=rng())
    check_invariants("ddpm", x, width=8, depth=1, timesteps=5, noise_schedule=schedule)


def test_invariants_of_pictures():
    x = torch.rand(5, 1, 5, 6, generator=rng()) * 2 - 1
    check_invariants("ddpm", x, width=4, depth=2, timesteps=4)


def width_of(sigma, config):
    """Deviation over sigma of what the chain makes of N(0, sigma^2): each step is linear in x."""
    beta, bars = config.chain().betas().tolist(), config.alpha_bars().tolist()
    variance = 1.0
    for t in range(len(beta) - 1, -1, -1):
        slope = (1 - beta[t] / (bars[t] * sigma**2 + 1 - bars[t])) / math.sqrt(1 - beta[t])
        small = beta[t] * (1 - bars[t - 1]) / (1 - bars[t])
        added = small if config.variance == "fixed_small" else beta[t]
        variance = slope**2 * variance + (added if t else 0.0)
    return math.sqrt(variance) / sigma


@pytest.mark.parametrize(
    ("data", "modes", "schedule", "variance"),
    [
        ("ring8", 8, "cosine", "fixed_large"),
        ("grid25", 25, "linear", "fixed_large"),
        ("grid25", 25, "linear", "fixed_small"),
    ],
)
def test_exact_predictions_give_every_mode_at_its_width(data, modes, schedule, variance):
    model, truth = exact(data, noise_schedule=schedule, variance=variance)
    x = model.sample(400, rng()) * truth.scale
    found, spread = mode_coverage(x, truth), mode_spread(x, truth)
    assert found.modes_held == modes
    assert found.high_quality >= 0.968  # 98.9 % less 4 standard errors
    expected = width_of(truth.sigma / truth.scale, model.config)
    assert expected > 0.95 if variance == "fixed_large" else expected < 0.81
    assert spread.spread == pytest.approx(expected, abs=0.08)  # 3 standard errors of 800 numbers


def misprinted(model, n, seed):
    """Algorithm 2 with alpha-bar in the place of alpha_t, and noise at t = 1 too."""
    beta, bars = model.config.chain().betas(), model.config.alpha_bars()
    x = torch.randn(n, 2, generator=rng(seed))
    for t in range(len(bars) - 1, -1, -1):
        bar = bars[t]
        noise = model.network(x, torch.full((n,), t))
        z = torch.randn(n, 2, generator=rng(seed + 1 + t))
        x = (x - (1 - bar) / (1 - bar).sqrt() * noise) / bar.sqrt() + beta[t].sqrt() * z
    return x.float()


def test_the_misprinted_algorithm_loses_the_grid_but_not_the_ring():
    """With exact predictions a wrong chain still shows all of a ring: only the grid tells."""
    found = {}
    for data in ("ring8", "grid25"):
        model, truth = exact(data)
        found[data] = mode_coverage(misprinted(model, 300, 0) * truth.scale, truth)
    assert found["ring8"].modes == 8
    assert found["grid25"].modes <= 9


def test_no_noise_is_added_at_the_last_step():
    model, _ = exact("ring8", timesteps=1)
    x_1 = {}

    class Noted(nn.Module):
        def forward(self, x, t):
            x_1["x"] = x
            return torch.zeros_like(x)

    found = DDPM(model.config, Noted()).sample(4, rng())
    torch.testing.assert_close(found, x_1["x"] / math.sqrt(1 - 1e-4))  # float32


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
def test_a_step_is_bayes_rule_in_float64(variance):
    """x_{t-1} given x_t and x_0: products of Gaussians by precision, not by equation 7."""
    c = Config(data_shape=(1,), timesteps=20, variance=variance)
    model = DDPM(c, nn.Identity())
    beta, bars = c.chain().betas(), c.alpha_bars()
    for t in range(1, 20):
        x_t, noise = torch.tensor([[0.7]]).double(), torch.tensor([[-0.4]]).double()
        z = torch.tensor([[1.3]]).double()
        found = model.scheduler.step(noise, t, x_t, noise=z).prev_sample
        x_0 = (x_t - (1 - bars[t]).sqrt() * noise) / bars[t].sqrt()
        # q(x_{t-1} | x_0) and the likelihood of x_t, N(x_t; sqrt(1 - beta) x_{t-1}, beta)
        precision = 1 / (1 - bars[t - 1]) + (1 - beta[t]) / beta[t]
        mean = bars[t - 1].sqrt() * x_0 / (1 - bars[t - 1]) + (1 - beta[t]).sqrt() * x_t / beta[t]
        sigma = precision**-0.5 if variance == "fixed_small" else beta[t].sqrt()
        torch.testing.assert_close(found, mean / precision + sigma * z, rtol=1e-12, atol=1e-12)


def test_the_loss_is_the_error_of_the_noise_over_all_steps():
    seen = []

    class Noted(nn.Module):
        def forward(self, x, t):
            seen.append((x, t))
            return torch.zeros_like(x)

    c = Config(data_shape=(2,), timesteps=10)
    x0 = torch.randn(5000, 2, generator=rng())
    loss = DDPM(c, Noted()).loss(Batch(x=x0, seed=torch.tensor([3])), "model")["loss"]
    (x_t, t), bars = seen[0], c.alpha_bars()
    counts = torch.bincount(t, minlength=10)
    assert len(counts) == 10 and counts.min() > 420 and counts.max() < 580  # 500 +- 4 x 21
    bar = bars[t][:, None].float()
    noise = (x_t - bar.sqrt() * x0) / (1 - bar).sqrt()
    assert loss.item() == pytest.approx(noise.square().mean().item(), rel=1e-3)
    assert noise.mean().item() == pytest.approx(0, abs=0.04)
    assert noise.std().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
def test_the_bound_of_a_gaussian_by_distributions(variance):
    """The terms of equation 5 with torch.distributions, every step of a short chain."""
    c = Config(data_shape=(1,), timesteps=4, variance=variance, noise_schedule="cosine")
    network = ExactNoise(torch.zeros(1, 1), 0.5, c.alpha_bars())
    model = DDPM(c, network).double()
    x0 = torch.tensor([[0.3]]).double()
    beta, bars = c.chain().betas(), c.alpha_bars()
    e = torch.linspace(-8, 8, 4001).double()  # quadrature over epsilon
    weight = Normal(0.0, 1.0).log_prob(e).exp() * (e[1] - e[0])
    total = -kl_divergence(
        Normal(bars[-1].sqrt() * x0, (1 - bars[-1]).sqrt()), Normal(0.0, 1.0)
    ).sum()
    for t in range(4):
        x_t = bars[t].sqrt() * x0[0] + (1 - bars[t]).sqrt() * e
        noise = network(x_t[:, None], torch.full((len(e),), t))[:, 0]
        mean = (x_t - beta[t] / (1 - bars[t]).sqrt() * noise) / (1 - beta[t]).sqrt()
        if t == 0:
            term = Normal(mean, beta[0].sqrt()).log_prob(x0[0])
        else:
            one = 1 - bars[t - 1]
            precision = 1 / one + (1 - beta[t]) / beta[t]
            centre = bars[t - 1].sqrt() * x0[0] / one + (1 - beta[t]).sqrt() * x_t / beta[t]
            sigma = precision**-0.5 if variance == "fixed_small" else beta[t].sqrt()
            term = -kl_divergence(Normal(centre / precision, precision**-0.5), Normal(mean, sigma))
        total = total + (weight * term).sum()
    draws = model.elbo(x0.expand(4000, 1), rng(), samples=8)
    error = draws.std() / math.sqrt(len(draws))
    assert abs(draws.mean() - total) < 4 * error and error < 0.02


def test_the_bound_lies_below_the_density_and_near_it():
    model, truth = exact("ring8")
    x = truth.sample(400, rng()) / truth.scale
    log_p = truth.log_prob(x * truth.scale).mean() + 2 * math.log(truth.scale)
    bound = model.elbo(x.float(), rng(1), samples=200).mean()
    assert log_p - 1 < bound < log_p + 0.05  # a chain of 1000 Gaussians; noise of the estimate


def test_samples_come_in_blocks_that_differ(monkeypatch):
    model, _ = exact("ring8", timesteps=3)
    monkeypatch.setattr("genbench.models.diffusion.ddpm.BLOCK_ENTRIES", 8)
    x = model.sample(10, rng())
    assert x.shape == (10, 2) and len(torch.unique(x, dim=0)) == 10


def test_pictures_stay_in_range():
    model = create_model("ddpm", data_shape=(1, 4, 4), width=4, depth=1, timesteps=10)
    x = model.sample(3, rng())
    assert x.abs().max() <= 1
    free = replace(model.config, data_shape=(16,))
    assert not free.chain().clip_sample
