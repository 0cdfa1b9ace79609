"""The generative stochastic network: its mixture, its chain, and the law that the chain keeps."""

import math
from typing import Any

import pytest
import torch
from invariants import check_invariants
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from genbench import create_model
from genbench.models.autoencoders.gsn import Mixture
from genbench.protocol import Batch


def made(shape=(2,), **config) -> Any:
    torch.manual_seed(0)
    config = {"width": 16, "components": 4, "chain_steps": 3, **config}
    return create_model("gsn", data_shape=shape, **config)


def points(n=6):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("x", [points(), points().tanh().view(6, 1, 1, 2)])
def test_invariants(x):
    check_invariants("gsn", x, width=16, components=4, chain_steps=3, walkback=2)


def mixtures(n=5, k=3, d=2) -> tuple[Mixture, MixtureSameFamily]:
    rng = torch.Generator().manual_seed(0)
    weights = torch.randn(n, k, generator=rng, dtype=torch.float64).log_softmax(dim=1)
    means, log_stds = torch.randn(2, n, k, d, generator=rng, dtype=torch.float64)
    each = Independent(Normal(means, log_stds.exp()), 1)
    return (
        Mixture(weights, means, log_stds),
        MixtureSameFamily(Categorical(logits=weights), each),
    )


def test_the_mixture_is_torch_distributions_mixture():
    ours, theirs = mixtures()
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.mean(), theirs.mean)


def test_draws_have_the_mixtures_moments():
    ours, theirs = mixtures(n=1)
    many = Mixture(*(part.expand(100_000, *part.shape[1:]) for part in ours))
    rng = torch.Generator().manual_seed(2)
    uniform = torch.rand(100_000, 3, generator=rng, dtype=torch.float64)
    x = many.draw(uniform, torch.randn(100_000, 2, generator=rng, dtype=torch.float64))
    error = (theirs.variance / 100_000).sqrt()
    assert ((x.mean(dim=0) - theirs.mean).abs() < 4 * error).all()
    # fourth moments of these mixtures are below 10 squared variances: deviation 1 %
    torch.testing.assert_close(x.var(dim=0), theirs.variance[0], rtol=0.04, atol=0)


class Exact(torch.nn.Module):
    """The true posterior of two equal Gaussians at -1 and 1 of deviation .1 under noise s."""

    def __init__(self, s: float) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(()))
        self.s, self.v = s, 0.01

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        total = self.v + self.s**2
        means = torch.tensor([-1.0, 1.0])
        weights = -((noisy - means) ** 2) / (2 * total)  # (n, 2)
        gain = self.v / total
        inner = means + gain * (noisy - means)
        log_std = 0.5 * math.log(self.v * self.s**2 / total)
        return torch.stack([weights, inner, torch.full_like(inner, log_std)], dim=2)


def test_with_the_true_posterior_the_chain_keeps_the_datas_law():
    model = made((1,), noise_std=0.8, components=2)
    model.denoiser = Exact(0.8)
    rng = torch.Generator().manual_seed(0)
    x = model.walk(torch.ones(20_000, 1), 60, rng)[:, 0]  # all chains start in one mode
    right = x > 0
    assert abs(right.float().mean() - 0.5) < 0.02  # 20,000 coins: deviation 0.4 %
    for mode, centre in ((right, 1.0), (~right, -1.0)):
        assert x[mode].mean().item() == pytest.approx(centre, abs=0.005)
        assert x[mode].std().item() == pytest.approx(0.1, rel=0.05)


def test_denoise_is_the_posterior_mean():
    model = made((1,), noise_std=0.8, components=2)
    model.denoiser = Exact(0.8)
    x = torch.linspace(-3, 3, 7).unsqueeze(1)
    grid = torch.linspace(-2, 2, 20_001, dtype=torch.float64)
    prior = sum(Normal(m, 0.1).log_prob(grid).exp() for m in (-1.0, 1.0))
    weights = prior * torch.exp(-((x.double() - grid) ** 2) / (2 * 0.64))  # Bayes' rule on a grid
    expected = (weights * grid).sum(dim=1) / weights.sum(dim=1)
    torch.testing.assert_close(model.denoise(x)[:, 0].double(), expected, rtol=1e-4, atol=1e-5)


def test_walk_back_teaches_every_step_the_start():
    """One step is the plain denoiser's likelihood; more steps start where the chain has wandered,
    and draw noise of their own."""
    x, seed = points(200), torch.tensor([3])
    one, three = made(walkback=1), made(walkback=3)
    short = one.loss(Batch(x=x, seed=seed), "model")
    long = three.loss(Batch(x=x, seed=seed), "model")
    torch.testing.assert_close(short["loss"], long["first"])
    assert short["loss"] == short["last"] and long["last"] != long["first"]
    assert long["loss"] > short["loss"]  # an untrained chain wanders off
