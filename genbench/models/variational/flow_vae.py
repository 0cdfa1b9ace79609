"""VAE with a posterior of planar flows. Rezende and Mohamed 2015, arXiv 1505.05770.

z_K = f_K(... f_1(z_0)), z_0 ~ N(mu, sigma^2), f(z) = z + u tanh(w'z + b), all of mu, sigma, u, w
and b the encoder's. log q(z_K | x) = log q(z_0 | x) - sum_k log |det df_k/dz|, so the bound is

    log p(x | z_K) + log p(z_K) - log q(z_0 | x) + sum_k log |det df_k/dz|   (equation 15)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check
from genbench.losses.bounds import (
    importance_weighted,
    normal_log_prob,
    repeated,
    standard_normal_log_prob,
)
from genbench.losses.likelihoods import Name, make_likelihood
from genbench.nets.mlp import MLP
from genbench.nets.planar import planar
from genbench.protocol import Batch

BLOCK_ENTRIES = 2**23  # of the samples made at once


@dataclass(frozen=True)
class Config:
    """flows: K, 0 leaves the diagonal Gaussian. likelihood, std: as `vae` has them."""

    data_shape: tuple[int, ...] = bounded(low=1)
    latent_dim: int = bounded(8, low=1)
    flows: int = bounded(10, low=0)
    width: int = bounded(256, low=1)
    depth: int = bounded(2, low=0)
    likelihood: Name = "gaussian"
    std: float = bounded(0.3, above=0)
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)


class FlowVAE(BaseModel):
    """Encoder (n, *data_shape) -> (n, 2 d + flows (2 d + 1)), d latents: mu, ln sigma^2, and u, w
    and b of each flow; decoder (n, d) -> (n, parts, *data_shape), see the likelihoods."""

    name = "flow_vae"
    Config = Config

    def __init__(
        self, config: Config, encoder: nn.Module | None = None, decoder: nn.Module | None = None
    ) -> None:
        super().__init__(config)
        c, self.likelihood = config, make_likelihood(config.likelihood, std=config.std)
        sizes = {"width": c.width, "depth": c.depth}
        count = 2 * c.latent_dim + c.flows * (2 * c.latent_dim + 1)
        self.encoder = encoder or MLP(c.data_shape, (count,), **sizes)
        shape = (self.likelihood.parts, *c.data_shape)
        self.decoder = decoder or MLP((c.latent_dim,), shape, **sizes)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Minus the bound, nats a sample, and its two parts."""
        check_x(batch.x, self.config.data_shape, within=False)
        log_p, kl = (term.mean() for term in self._terms(batch.x, batch.seed))
        return {"loss": kl - log_p, "reconstruction": -log_p, "kl": kl}

    def _terms(self, x: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x | z_K), and log q(z_K | x) - log p(z_K) at one draw, each (n,).

        The second's mean is the KL; what z_0 adds to it is exact, only the flows' part is drawn.
        """
        mu, logvar, flows = self._posterior(x)
        z0, kl = ops.reparameterize_kl(mu, logvar, seed=seed)
        z, log_det = self.flow(z0, flows)
        moved = standard_normal_log_prob(z0) - standard_normal_log_prob(z)
        return self.likelihood.log_prob(self.decoder(z), x), kl + moved - log_det

    def flow_numbers(self, x: Tensor) -> Tensor:
        """u, w and b of each flow, (n, flows, 2 latent_dim + 1)."""
        return self._posterior(x)[2]

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """mu, ln sigma^2 (n, d), and the flows' numbers."""
        d, found = self.config.latent_dim, self.encoder(x)
        flows = found[:, 2 * d :].unflatten(1, (self.config.flows, 2 * d + 1))
        return found[:, :d], found[:, d : 2 * d], flows

    def flow(self, z: Tensor, flows: Tensor) -> tuple[Tensor, Tensor]:
        """z_K (n, d) of z_0, and the sum of the log-determinants (n,); see `flow_numbers`."""
        d, total = self.config.latent_dim, z.new_zeros(len(z))
        for numbers in flows.unbind(1):
            z, log_det = planar(z, numbers[:, :d], numbers[:, d : 2 * d], numbers[:, -1])
            total = total + log_det
        return z, total

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape): means of p(x | z), z from the prior."""
        c, like = self.config, next(self.parameters())
        z = torch.randn(n, c.latent_dim, generator=rng, device=rng.device).to(like)
        blocks = z.split(max(1, BLOCK_ENTRIES // math.prod(c.data_shape)))
        return torch.cat([self.likelihood.mean(self.decoder(block)) for block in blocks])

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """(n, latent_dim): where the flows take the mean of z_0."""
        check_x(x, self.config.data_shape)
        mu, _, flows = self._posterior(x)
        return self.flow(mu, flows)[0]

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x | z), (n, *data_shape), of z (n, latent_dim)."""
        check_x(z, (self.config.latent_dim,), name="z")
        return self.likelihood.mean(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """`decode(encode(x))`."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def posterior_sample(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """One z ~ q(z | x) for each x, (n, latent_dim)."""
        check_x(x, self.config.data_shape)
        mu, logvar, flows = self._posterior(x)
        noise = torch.randn(mu.shape, generator=rng, device=rng.device).to(mu)
        return self.flow(mu + (logvar / 2).exp() * noise, flows)[0]

    @torch.no_grad()
    def elbo(self, x: Tensor, rng: torch.Generator, samples: int = 1) -> Tensor:
        """A lower bound of log p(x), (n,), nats: of the density of x as it is, or, where the
        likelihood is Bernoulli's, of the probability of x >= 0."""
        check_x(x, self.config.data_shape)

        def draw(seed: Tensor) -> Tensor:
            log_p, kl = self._terms(x, seed)
            return log_p - kl

        return repeated(draw, rng=rng, count=samples, device=x.device).mean(0)

    @torch.no_grad()
    def importance_bound(self, x: Tensor, rng: torch.Generator, samples: int = 100) -> Tensor:
        """The importance-weighted bound of K = `samples` draws, (n,), nats. Burda et al. 2015."""
        check_x(x, self.config.data_shape)
        mu, logvar, flows = self._posterior(x)

        def draw(seed: Tensor) -> Tensor:
            z0, _ = ops.reparameterize_kl(mu, logvar, seed=seed)
            z, log_det = self.flow(z0, flows)
            log_q = normal_log_prob(z0, mu, logvar) - log_det
            log_p = self.likelihood.log_prob(self.decoder(z), x)
            return log_p + standard_normal_log_prob(z) - log_q

        return importance_weighted(repeated(draw, rng=rng, count=samples, device=x.device))
