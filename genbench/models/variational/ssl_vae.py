"""Semi-supervised VAE, model M2. Kingma, Rezende, Mohamed, Welling 2014, arXiv 1406.5298.

p(x | y, z) with y uniform and z ~ N(0, I); q(y | x) is a classifier, q(z | x, y) an encoder. With
L(x, y) = E_q log p(x | y, z) + log p(y) - KL(q(z | x, y) || p(z)), training maximises L(x, y) of
labelled x, and sum_y q(y | x) L(x, y) + H(q(y | x)) of others (equations 6 and 7), while
alpha log q(y | x) teaches the classifier (equation 9).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, nll_loss, one_hot

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check
from genbench.errors import InputError
from genbench.losses.bounds import repeated
from genbench.losses.likelihoods import Name, make_likelihood
from genbench.nets.mlp import MLP
from genbench.protocol import Batch

BLOCK_ENTRIES = 2**23  # of the samples made at once


@dataclass(frozen=True)
class Config:
    """alpha: nats of bound that a nat of a labelled x's cross-entropy is worth.

    bound_weight: of the bound; 0 leaves the classifier alone, which learns from labels only.
    likelihood, std: as `vae` has them.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    classes: int = bounded(10, low=2)
    latent_dim: int = bounded(8, low=1)
    width: int = bounded(128, low=1)
    depth: int = bounded(1, low=0)
    alpha: float = bounded(50.0, low=0)
    bound_weight: float = bounded(1.0, low=0)
    likelihood: Name = "gaussian"
    std: float = bounded(0.3, above=0)
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)


class SSLVAE(BaseModel):
    """Labels below 0 mark unlabelled x; a batch without labels is unlabelled."""

    name = "ssl_vae"
    Config = Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        c, self.likelihood = config, make_likelihood(config.likelihood, std=config.std)
        sizes = {"width": c.width, "depth": c.depth}
        self.classifier = MLP(c.data_shape, (c.classes,), **sizes)
        self.encoder = MLP((math.prod(c.data_shape) + c.classes,), (2, c.latent_dim), **sizes)
        shape = (self.likelihood.parts, *c.data_shape)
        self.decoder = MLP((c.latent_dim + c.classes,), shape, **sizes)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Minus the bound, a mean over the batch, and alpha times the mean cross-entropy of what
        is labelled; labels int64 (n,) or None."""
        c, x = self.config, batch.x
        check_x(x, c.data_shape, within=False)
        none = x.new_full((len(x),), -1, dtype=torch.int64)
        labels = none if batch.labels is None else batch.labels
        labelled, y = labels >= 0, labels.clamp(min=0)
        log_q = self._log_q(x)
        bound = x.new_zeros(())
        if c.bound_weight > 0:
            bounds = self._bounds(x, batch.seed)  # (n, classes)
            known = bounds.gather(1, y[:, None])[:, 0]
            bound = torch.where(labelled, known, _unlabelled(bounds, log_q)).mean()
        each = torch.where(labelled, nll_loss(log_q, y, reduction="none"), 0)
        cross_entropy = each.sum() / labelled.sum().clamp(min=1)
        return {
            "loss": c.alpha * cross_entropy - c.bound_weight * bound,
            "bound": bound,
            "cross_entropy": cross_entropy,
        }

    def _log_q(self, x: Tensor) -> Tensor:
        """log q(y | x), (n, classes)."""
        return log_softmax(self.classifier(x), dim=1)

    def _posterior(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """mu and ln sigma^2 of q(z | x, y), each (n, latent_dim); y (n, classes), one-hot."""
        mu, logvar = self.encoder(torch.cat([x.flatten(1), y], 1)).unbind(1)
        return mu, logvar

    def _bounds(self, x: Tensor, seed: Tensor) -> Tensor:
        """L(x, y) of every y, (n, classes), nats, from one draw of z for each."""
        n, k = len(x), self.config.classes
        every = torch.eye(k, dtype=x.dtype, device=x.device).repeat(n, 1)  # (n k, k)
        xs = x.repeat_interleave(k, 0)
        z, kl = ops.reparameterize_kl(*self._posterior(xs, every), seed=seed)
        log_p = self.likelihood.log_prob(self.decoder(torch.cat([z, every], 1)), xs)
        return (log_p - kl).view(n, k) - math.log(k)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, labels: Tensor | None = None) -> Tensor:
        """(n, *data_shape): means of p(x | y, z), z from the prior, y uniform or `labels`, int64
        (n,) in 0 .. classes - 1."""
        c, like = self.config, next(self.parameters())
        y = torch.randint(c.classes, (n,), generator=rng, device=rng.device)
        if labels is not None:
            _check_labels(labels, n, c.classes)
            y = labels.to(y.device)
        z = torch.randn(n, c.latent_dim, generator=rng, device=rng.device).to(like)
        codes = torch.cat([z, one_hot(y, c.classes).to(like)], 1)
        blocks = codes.split(max(1, BLOCK_ENTRIES // math.prod(c.data_shape)))
        return torch.cat([self.decode(block) for block in blocks])

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """q(y | x), (n, classes)."""
        check_x(x, self.config.data_shape)
        return self._log_q(x).exp()

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """(n, latent_dim + classes): the mean of q(z | x, y), and y, the likeliest, one-hot."""
        y = one_hot(self.classify(x).argmax(1), self.config.classes).to(x.dtype)
        return torch.cat([self._posterior(x, y)[0], y], 1)

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x | y, z), (n, *data_shape), of codes as `encode` gives them."""
        check_x(z, (self.config.latent_dim + self.config.classes,), name="z")
        return self.likelihood.mean(self.decoder(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """`decode(encode(x))`."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def elbo(self, x: Tensor, rng: torch.Generator, samples: int = 1) -> Tensor:
        """A lower bound of log p(x), (n,), nats, y unknown: of the density of x as it is, or, where
        the likelihood is Bernoulli's, of the probability of x >= 0."""
        check_x(x, self.config.data_shape)
        log_q = self._log_q(x)

        def draw(seed: Tensor) -> Tensor:
            return _unlabelled(self._bounds(x, seed), log_q)

        return repeated(draw, rng=rng, count=samples, device=x.device).mean(0)


def _unlabelled(bounds: Tensor, log_q: Tensor) -> Tensor:
    """sum_y q(y | x) (L(x, y) - log q(y | x)), (n,), of two (n, classes)."""
    return (log_q.exp() * (bounds - log_q)).sum(1)


def _check_labels(labels: Tensor, n: int, classes: int) -> None:
    fits = labels.shape == (n,) and labels.dtype == torch.int64
    if not fits or (n and not 0 <= int(labels.min()) <= int(labels.max()) < classes):
        raise InputError(
            f"labels must be int64 ({n},) in 0 .. {classes - 1}, got {labels.dtype} "
            f"{tuple(labels.shape)}"
        )
