"""Generative stochastic network: a denoiser as a Markov chain. Bengio et al. 2013, arXiv 1305.6663.

x~ = x + noise, x' ~ P(x' | x~), again and again: where P is the true posterior the chain is a Gibbs
sampler, whose stationary law is the data's (theorem 1). P is a mixture of Gaussians, since that of
data with several modes has several modes. Walk-back (section 3.3, algorithm 1): training starts the
chain at a data point and teaches every step of it to lead back there, so that no mode is left where
the data are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check, make_config
from genbench.nets.mlp import MLP
from genbench.protocol import Batch

LOWEST_LOG_STD = -7.0  # 0.001 of the data's unit: a density of one point has no bound


@dataclass(frozen=True)
class Config:
    """noise_std: of the corruption, in the data's units. walkback: steps of a training chain.
    chain_steps: from noise to a sample."""

    data_shape: tuple[int, ...] = bounded(low=1)
    noise_std: float = bounded(0.4, above=0)
    components: int = bounded(16, low=1)
    walkback: int = bounded(5, low=1)
    chain_steps: int = bounded(500, low=1)
    width: int = bounded(128, low=1)
    depth: int = bounded(2, low=1)
    learning_rate: float = bounded(2e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)


class Mixture(NamedTuple):
    """n mixtures of K Gaussians: log_weights (n, K), means and log_stds (n, K, d)."""

    log_weights: Tensor
    means: Tensor
    log_stds: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """(n,) nats at x (n, d)."""
        scaled = (x.unsqueeze(1) - self.means) * (-self.log_stds).exp()
        each = -0.5 * scaled.square() - self.log_stds - 0.5 * math.log(2 * math.pi)
        return (self.log_weights + each.sum(dim=2)).logsumexp(dim=1)

    def draw(self, uniform: Tensor, normal: Tensor) -> Tensor:
        """(n, d) of uniform (n, K) and normal (n, d) noise."""
        gumbel = -(-uniform.log()).log()
        chosen = (self.log_weights + gumbel).argmax(dim=1)[:, None, None]
        means, log_stds = (
            part.take_along_dim(chosen, dim=1).squeeze(1) for part in (self.means, self.log_stds)
        )
        return means + log_stds.exp() * normal

    def mean(self) -> Tensor:
        """(n, d)."""
        return (self.log_weights.exp().unsqueeze(2) * self.means).sum(dim=1)


class GSN(BaseModel):
    """denoiser: x~ (n, d) -> (n, K, 1 + 2 d), a mixture of K Gaussians for each row."""

    name = "gsn"
    Config = Config

    def __init__(self, config: Config, denoiser: nn.Module) -> None:
        super().__init__(config)
        self.denoiser = denoiser

    @classmethod
    def build(cls, **options: object) -> Self:
        """A new one with an MLP, from fields of Config."""
        c = make_config(Config, options, name=cls.name)
        d = math.prod(c.data_shape)
        head = (c.components, 1 + 2 * d)
        return cls(c, MLP((d,), head, width=c.width, depth=c.depth))

    def posterior(self, noisy: Tensor) -> Mixture:
        """P(x | x~) at noisy (n, d)."""
        d = noisy.shape[1]
        weights, means, log_stds = self.denoiser(noisy).split([1, d, d], dim=2)
        weights = weights.squeeze(2).log_softmax(dim=1)
        return Mixture(weights, means, log_stds.clamp(min=LOWEST_LOG_STD))

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """-log P(x | x~), mean over the steps of a chain that starts at x, nats."""
        c, x = self.config, batch.x.flatten(1)
        now, nats = x, []
        for step in range(c.walkback):
            seeds = [ops.fold_seed(batch.seed, 3 * step + draw) for draw in range(3)]
            noise = ops.normal(x.shape, seed=seeds[0], dtype=x.dtype)
            mixture = self.posterior(now + c.noise_std * noise)
            nats.append(-mixture.log_prob(x).mean())
            uniform = ops.uniform((len(x), c.components), seed=seeds[1], dtype=x.dtype)
            # no gradient through the chain: the target is x, wherever it has wandered
            now = mixture.draw(uniform, ops.normal(x.shape, seed=seeds[2], dtype=x.dtype)).detach()
        return {"loss": torch.stack(nats).mean(), "first": nats[0], "last": nats[-1]}

    @torch.no_grad()
    def denoise(self, x: Tensor) -> Tensor:
        """The posterior mean of noisy x (n, *data_shape), which may lie beyond [-1, 1]."""
        check_x(x, self.config.data_shape, within=False)
        return self.posterior(x.flatten(1)).mean().view_as(x)

    @torch.no_grad()
    def walk(self, x: Tensor, steps: int, rng: torch.Generator) -> Tensor:
        """Where chains that start at x (n, *data_shape) are after so many steps."""
        check_x(x, self.config.data_shape, within=False)
        now = x.flatten(1)
        for _ in range(steps):
            noise, normal = torch.randn(2, *now.shape, generator=rng, device=rng.device).to(now)
            uniform = torch.rand(
                len(now), self.config.components, generator=rng, device=rng.device
            ).to(now)
            mixture = self.posterior(now + self.config.noise_std * noise)
            now = mixture.draw(uniform, normal)
        return now.view_as(x)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape): chains of `chain_steps` steps from standard normal noise."""
        like = next(self.parameters())
        start = torch.randn(n, *self.config.data_shape, generator=rng, device=rng.device)
        return self.walk(start.to(like), self.config.chain_steps, rng)
