"""Hierarchical VAE. Vahdat and Kautz 2020 (NVAE), arXiv 2007.03898, in linear layers.

p(z) = prod_l p(z_l | z_<l), from the top; the encoder is bidirectional: x upwards, then downwards
with the generator. Residual posteriors (section 3.2): where p(z_l | z_<l) = N(mu, sigma^2),
q(z_l | z_<l, x) = N(mu + sigma m, (sigma s)^2). Measured from the prior, e_l = (z_l - mu) / sigma,
a level's KL is that of N(m, s^2) from N(0, 1). Free nats: Kingma et al. 2016, 1606.04934, C.8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check
from genbench.errors import InputError
from genbench.losses.bounds import (
    importance_weighted,
    normal_log_prob,
    repeated,
    standard_normal_log_prob,
)
from genbench.losses.likelihoods import Name, make_likelihood
from genbench.nets.mlp import MLP
from genbench.nets.weights import draw_kept
from genbench.protocol import Batch

BLOCK_ENTRIES = 2**23  # of the samples made at once


@dataclass(frozen=True)
class Config:
    """latent_dims: of the levels, from the top; at least two.

    width, depth: of the layers next to x, each way. path: numbers that go from level to level.
    free_nats: of each level's KL, a mean over the batch, which the loss does not count.
    likelihood, std: as `vae` has them.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    latent_dims: tuple[int, ...] = bounded((8, 8), low=1)
    width: int = bounded(256, low=1)
    depth: int = bounded(1, low=1)
    path: int = bounded(64, low=1)
    free_nats: float = bounded(0.0, low=0)
    likelihood: Name = "gaussian"
    std: float = bounded(0.3, above=0)
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)
        if len(self.latent_dims) < 2:
            raise InputError(f"latent_dims must name at least 2 levels, got {self.latent_dims}")


class HierarchicalVAE(BaseModel):
    """Two paths of `path` numbers: h upwards from x, d downwards from a learned start."""

    name = "hierarchical_vae"
    Config = Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.likelihood = make_likelihood(config.likelihood, std=config.std)
        shape, p, dims = config.data_shape, config.path, config.latent_dims
        sizes = {"width": config.width, "depth": config.depth}

        def block(rows: int, *output: int) -> MLP:
            return MLP((rows,), output, width=2 * p, depth=1)

        self.bottom = MLP(shape, (p,), **sizes)
        self.up = nn.ModuleList(block(p, p) for _ in dims[1:])  # [0] serves the top
        self.start = nn.Parameter(torch.zeros(p))
        self.prior = nn.ModuleList(block(p, 2, d) for d in dims[1:])  # the top's is N(0, I)
        self.residual = nn.ModuleList(block(2 * p, 2, d) for d in dims)
        self.down = nn.ModuleList(block(p + d, p) for d in dims)
        self.decoder = MLP((p,), (self.likelihood.parts, *shape), **sizes)
        draw_kept(self)  # after so many layers torch's weights leave of x too little for z

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Minus the bound, nats a sample, free nats apart; and the KL of each level."""
        check_x(batch.x, self.config.data_shape, within=False)
        log_p, kls = self._terms(batch.x, batch.seed)
        reconstruction, levels = -log_p.mean(), kls.mean(1)
        counted = levels.clamp(min=self.config.free_nats).sum()
        named = {f"kl_{number}": kl for number, kl in enumerate(levels)}
        return {"loss": reconstruction + counted, "reconstruction": reconstruction, **named}

    def _terms(self, x: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x | z) (n,), z drawn from q, and the KL of each level, (levels, n)."""
        kls = []

        def draw(level: int, m: Tensor, log_s2: Tensor) -> Tensor:
            e, kl = ops.reparameterize_kl(m, log_s2, seed=ops.fold_seed(seed, level))
            kls.append(kl)
            return e

        given = self._infer(x, draw)
        return self.likelihood.log_prob(given, x), torch.stack(kls)

    def _infer(self, x: Tensor, choose: Callable[[int, Tensor, Tensor], Tensor]) -> Tensor:
        """What the likelihood needs, with e = choose(level, m, ln s^2) of q at every level."""
        h = self.bottom(x)
        hs = [h]  # from the top, each (n, path)
        for up in reversed(self.up):
            h = h + up(h)
            hs.insert(0, h)

        def chosen(level: int, d: Tensor) -> Tensor:
            return choose(level, *self.residual[level](torch.cat([hs[level], d], 1)).unbind(1))

        return self._generate(len(x), chosen)

    def _generate(self, n: int, chosen: Callable[[int, Tensor], Tensor]) -> Tensor:
        """What the likelihood needs, with e = chosen(level, d (n, path)) at every level."""
        d = self.start.expand(n, -1)
        for level, down in enumerate(self.down):
            z = chosen(level, d)
            if level > 0:
                mu, logvar = self.prior[level - 1](d).unbind(1)
                z = mu + (logvar / 2).exp() * z
            d = d + down(torch.cat([d, z], 1))
        return self.decoder(d)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape): means of p(x | z), z from the prior."""
        c = self.config
        e = torch.randn(n, sum(c.latent_dims), generator=rng, device=rng.device).to(self.start)
        blocks = e.split(max(1, BLOCK_ENTRIES // math.prod(c.data_shape)))
        return torch.cat([self.decode(block) for block in blocks])

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """(n, sum of latent_dims): each level's m, from the top; N(0, I) under the prior."""
        check_x(x, self.config.data_shape)
        found = []

        def mean(level: int, m: Tensor, log_s2: Tensor) -> Tensor:
            found.append(m)
            return m

        self._infer(x, mean)
        return torch.cat(found, 1)

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x | z), (n, *data_shape), of codes (n, sum of latent_dims) as `encode`
        gives them."""
        check_x(z, (sum(self.config.latent_dims),), name="z")
        es = z.split(list(self.config.latent_dims), dim=1)
        return self.likelihood.mean(self._generate(len(z), lambda level, d: es[level]))

    def reconstruct(self, x: Tensor) -> Tensor:
        """`decode(encode(x))`."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def level_kls(self, x: Tensor, rng: torch.Generator, samples: int = 1) -> Tensor:
        """(levels, n), nats, from the top: KL(q(z_l | z_<l, x) || p(z_l | z_<l)), z_<l from q."""
        check_x(x, self.config.data_shape)
        found = repeated(
            lambda seed: self._terms(x, seed)[1], rng=rng, count=samples, device=x.device
        )
        return found.mean(0)

    @torch.no_grad()
    def elbo(self, x: Tensor, rng: torch.Generator, samples: int = 1) -> Tensor:
        """A lower bound of log p(x), (n,), nats: of the density of x as it is, or, where the
        likelihood is Bernoulli's, of the probability of x >= 0."""
        check_x(x, self.config.data_shape)

        def draw(seed: Tensor) -> Tensor:
            log_p, kls = self._terms(x, seed)
            return log_p - kls.sum(0)

        return repeated(draw, rng=rng, count=samples, device=x.device).mean(0)

    @torch.no_grad()
    def importance_bound(self, x: Tensor, rng: torch.Generator, samples: int = 100) -> Tensor:
        """The importance-weighted bound of K = `samples` draws, (n,), nats. Burda et al. 2015."""
        check_x(x, self.config.data_shape)

        def draw(seed: Tensor) -> Tensor:
            weights = []

            def chosen(level: int, m: Tensor, log_s2: Tensor) -> Tensor:
                e, _ = ops.reparameterize_kl(m, log_s2, seed=ops.fold_seed(seed, level))
                weights.append(standard_normal_log_prob(e) - normal_log_prob(e, m, log_s2))
                return e

            log_p = self.likelihood.log_prob(self._infer(x, chosen), x)
            return log_p + torch.stack(weights).sum(0)

        return importance_weighted(repeated(draw, rng=rng, count=samples, device=x.device))
