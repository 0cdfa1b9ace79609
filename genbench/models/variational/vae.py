"""Variational autoencoder. Kingma and Welling 2013, arXiv 1312.6114; beta: Higgins et al. 2017.

log p(x) >= E_q log p(x | z) - KL(q(z | x) || N(0, I)), which training maximises, with
KL = 1/2 sum (mu^2 + sigma^2 - 1 - log sigma^2). beta > 1 weighs the KL (beta-VAE).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_mask, check_x
from genbench.config import bounded, check
from genbench.errors import InputError
from genbench.losses.bounds import (
    importance_weighted,
    normal_log_prob,
    repeated,
    seed_from,
    standard_normal_log_prob,
)
from genbench.losses.likelihoods import Name, dequantise, make_likelihood
from genbench.nets.mlp import MLP
from genbench.protocol import Batch

LATENT, LEVELS = 0, 1  # the draws of one loss
BLOCK_ENTRIES = 2**23  # of the samples made at once


@dataclass(frozen=True)
class Config:
    """Constants of section 5 where it has them.

    samples: s of each x in a loss. likelihood: of x given z; "bernoulli" is that of x >= 0, the
    variance of "learned_gaussian" is the decoder's. std: of "gaussian", and the least of
    "learned_gaussian". levels: of pictures that are dequantised in the loss; None: x as it comes.
    drawn_samples: `sample` draws from p(x | z) instead of showing its mean.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    latent_dim: int = bounded(8, low=1)
    width: int = bounded(256, low=1)
    depth: int = bounded(2, low=0)
    beta: float = bounded(1.0, low=0)
    samples: int = bounded(1, low=1)
    likelihood: Name = "gaussian"
    std: float = bounded(0.3, above=0)
    levels: int | None = bounded(None, low=2)
    drawn_samples: bool = False
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)
        if self.likelihood == "bernoulli" and self.levels is not None:
            raise InputError(f"levels must be none where x is binarised, got {self.levels}")


class VAE(BaseModel):
    """Encoder (n, *data_shape) -> (n, 2, latent_dim), mu and ln sigma^2; decoder (n, latent_dim)
    -> (n, parts, *data_shape), where the likelihood has one or two parts: mean, variance."""

    name = "vae"
    Config = Config

    def __init__(
        self, config: Config, encoder: nn.Module | None = None, decoder: nn.Module | None = None
    ) -> None:
        super().__init__(config)
        c, self.likelihood = config, make_likelihood(config.likelihood, std=config.std)
        sizes = {"width": c.width, "depth": c.depth}
        self.encoder = encoder or MLP(c.data_shape, (2, c.latent_dim), **sizes)
        shape = (self.likelihood.parts, *c.data_shape)
        self.decoder = decoder or MLP((c.latent_dim,), shape, **sizes)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """-E_q log p(x | z) + beta KL, nats a sample; both are logged."""
        c = self.config
        check_x(batch.x, c.data_shape, within=False)
        x = dequantise(batch.x, c.levels, ops.fold_seed(batch.seed, LEVELS))
        log_p, kl = self._terms(x, ops.fold_seed(batch.seed, LATENT), c.samples)
        reconstruction, kl = -log_p.mean(), kl.mean()
        return {
            "loss": reconstruction + c.beta * kl,
            "reconstruction": reconstruction,
            "kl": kl,
        }

    def _check(self, x: Tensor) -> None:
        shape, levels = self.config.data_shape, self.config.levels
        check_x(x, shape, within=None if levels is None else False)
        if levels is not None:  # spread levels reach beyond [-1, 1], by half of one
            check_x(x * (1 - 1 / levels), shape)

    def _terms(self, x: Tensor, seed: Tensor, samples: int) -> tuple[Tensor, Tensor]:
        """log p(x | z), the mean of `samples` draws of z, and the KL, each (n,)."""
        mu, logvar = self.encoder(x).repeat(samples, 1, 1).unbind(1)  # (s n, latent_dim)
        z, kl = ops.reparameterize_kl(mu, logvar, seed=seed)
        log_p = self.likelihood.log_prob(self.decoder(z), torch.cat([x] * samples))
        return log_p.unflatten(0, (samples, len(x))).mean(0), kl[: len(x)]

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape): means of p(x | z), or draws from it, z from the prior."""
        c, like = self.config, next(self.parameters())
        z = torch.randn(n, c.latent_dim, generator=rng, device=rng.device).to(like)
        blocks = z.split(max(1, BLOCK_ENTRIES // math.prod(c.data_shape)))
        given = torch.cat([self.decoder(block) for block in blocks])
        if not c.drawn_samples:
            return self.likelihood.mean(given)
        return self.likelihood.draw(given, seed_from(rng, given.device))

    @torch.no_grad()
    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and ln sigma^2 of q(z | x), each (n, latent_dim); x (n, *data_shape)."""
        self._check(x)
        mu, logvar = self.encoder(x).unbind(1)
        return mu, logvar

    def encode(self, x: Tensor) -> Tensor:
        """The posterior's mean (n, latent_dim)."""
        return self.posterior(x)[0]

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x | z), (n, *data_shape), of z (n, latent_dim)."""
        check_x(z, (self.config.latent_dim,), name="z")
        return self.likelihood.mean(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """`decode(encode(x))`."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def elbo(self, x: Tensor, rng: torch.Generator, samples: int = 1) -> Tensor:
        """A lower bound of log p(x), (n,), nats: of the density of x as it is, or, where the
        likelihood is Bernoulli's, of the probability of x >= 0. The KL is exact."""
        self._check(x)

        def draw(seed: Tensor) -> Tensor:
            log_p, kl = self._terms(x, seed, 1)
            return log_p - kl

        return repeated(draw, rng=rng, count=samples, device=x.device).mean(0)

    @torch.no_grad()
    def importance_bound(self, x: Tensor, rng: torch.Generator, samples: int = 100) -> Tensor:
        """A tighter bound than the ELBO's, (n,), nats: the importance-weighted one of K = `samples`
        draws of z. Burda et al. 2015, arXiv 1509.00519, equation 8."""
        mu, logvar = self.posterior(x)

        def draw(seed: Tensor) -> Tensor:
            z, _ = ops.reparameterize_kl(mu, logvar, seed=seed)
            log_p = self.likelihood.log_prob(self.decoder(z), x)
            return log_p + standard_normal_log_prob(z) - normal_log_prob(z, mu, logvar)

        return importance_weighted(repeated(draw, rng=rng, count=samples, device=x.device))

    @torch.no_grad()
    def manifold(self, side: int) -> Tensor:
        """(side^2, *data_shape), row by row: decoded from a grid of the unit square through the
        inverse normal distribution (figure 4), so that cells are equally probable; two latents."""
        if self.config.latent_dim != 2:
            raise InputError(f"manifold needs latent_dim 2, got {self.config.latent_dim}")
        like = next(self.parameters())
        cells = (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) / side
        return self.decode(torch.cartesian_prod(*[torch.special.ndtri(cells)] * 2))

    @torch.no_grad()
    def impute(self, x: Tensor, mask: Tensor, rng: torch.Generator, rounds: int = 100) -> Tensor:
        """x with its hidden entries (mask False) filled in given the visible ones.

        The last mean of a chain z ~ q(z | x), x_hidden ~ p(x | z). Rezende et al. 2014, arXiv
        1401.4082, appendix F.
        """
        self._check(x)
        check_mask(mask, x)
        seed = seed_from(rng, x.device)
        shown = drawn = torch.where(mask, x, 0)
        for number in range(0, 2 * rounds, 2):
            mu, logvar = self.encoder(drawn).unbind(1)
            z, _ = ops.reparameterize_kl(mu, logvar, seed=ops.fold_seed(seed, number))
            given = self.decoder(z)
            shown = torch.where(mask, x, self.likelihood.mean(given))
            more = self.likelihood.draw(given, ops.fold_seed(seed, number + 1))
            drawn = torch.where(mask, x, more)
        return shown
