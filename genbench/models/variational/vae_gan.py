"""VAE/GAN: a VAE whose pixels are a discriminator's features. Larsen et al. 2015, arXiv 1512.09300.

Algorithm 1, with z = mu + sigma eps, x~ = Dec(z), x_p = Dec(z_p), z_p from N(0, I):
L_prior = KL(q(z|x) || p(z)), L_llike = |Dis_l(x) - Dis_l(x~)|^2 / 2, and L_GAN the cross-entropy of
Dis at x, x~ and x_p. Enc minimises L_prior + L_llike, Dec gamma L_llike and what it loses to Dis,
Dis L_GAN; none of the three sends a gradient to another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check, make_config
from genbench.nets.radford import RadfordCritic, RadfordGenerator
from genbench.protocol import Batch, OptimizerSpec

POSTERIOR, PRIOR = 0, 1  # the draws of one loss


@dataclass(frozen=True)
class Config:
    """gamma: section 3.4, content against style. beta: of L_prior, 1 in the paper.

    The paper's optimiser is RMSprop of rate 3e-4 (section 4); here, Adam of the same rate.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    latent_dim: int = bounded(16, low=1)
    gamma: float = bounded(0.01, low=0)
    beta: float = bounded(1.0, low=0)
    width: int = bounded(16, low=1)
    depth: int = bounded(3, low=1)
    learning_rate: float = bounded(3e-4, above=0)
    discriminator_rate: float = bounded(3e-4, above=0)
    betas: tuple[float, float] = bounded((0.5, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)


class VAEGAN(BaseModel):
    """encoder: x -> (n, 2, latent_dim), mu and ln sigma^2; decoder: z -> x in [-1, 1].

    discriminator: x -> logits (n, 1), whose hidden layer Dis_l is `discriminator.features`,
    x -> (n, features).
    """

    name = "vae_gan"
    Config = Config
    phases = ("encoder", "decoder", "discriminator")

    def __init__(
        self, config: Config, encoder: nn.Module, decoder: nn.Module, discriminator: nn.Module
    ) -> None:
        super().__init__(config)
        self.encoder, self.decoder, self.discriminator = encoder, decoder, discriminator

    @classmethod
    def build(cls, **options: Any) -> Self:
        """Networks by DCGAN's rules, of the Config's sizes."""
        c = make_config(cls.Config, options, name=cls.name)
        sizes = {"width": c.width, "depth": c.depth}
        encoder = RadfordCritic(c.data_shape, (2, c.latent_dim), **sizes)
        decoder = RadfordGenerator((c.latent_dim,), c.data_shape, **sizes)
        return cls(c, encoder, decoder, RadfordCritic(c.data_shape, (1,), **sizes))

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """Those of the network that the phase is called by."""
        return getattr(self, phase).parameters()

    def optimizer(self, phase: str) -> OptimizerSpec:
        """Adam; the discriminator has a rate of its own."""
        c = self.config
        rate = c.discriminator_rate if phase == "discriminator" else c.learning_rate
        return OptimizerSpec("adam", rate, {"betas": c.betas}, schedule=c.schedule)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """batch.x (n, *data_shape): what the network of that phase minimises, a picture's mean."""
        x, c = batch.x, self.config
        check_x(x, c.data_shape, within=False)
        with torch.set_grad_enabled(phase == "encoder"):
            mu, logvar = self.encoder(x).unbind(1)  # (n, latent_dim)
            seed = ops.fold_seed(batch.seed, POSTERIOR)
            z, kl = ops.reparameterize_kl(mu, logvar, seed=seed)  # kl (n,), nats
        if phase == "encoder":
            prior, content = kl.mean(), self._content(x, self.decoder(z))
            return {"loss": c.beta * prior + content, "kl": prior, "content": content}
        z_p = ops.normal(z.shape, seed=ops.fold_seed(batch.seed, PRIOR), dtype=z.dtype)
        with torch.set_grad_enabled(phase == "decoder"):
            fake = self.decoder(torch.cat([z, z_p]))  # x~, then x_p
        logits = self.discriminator(fake)
        if phase == "discriminator":
            loss = ops.discriminator_bce(real=self.discriminator(x), fake=logits)
            return {"loss": loss}
        content, style = self._content(x, fake[: len(x)]), ops.generator_bce(fake=logits)
        return {"loss": c.gamma * content + style, "content": content, "style": style}

    def _content(self, x: Tensor, decoded: Tensor) -> Tensor:
        """L_llike: |Dis_l(x) - Dis_l(x~)|^2 / 2, the mean of n pictures."""
        with torch.no_grad():
            wanted = self.discriminator.features(x)  # type: ignore[operator]
        found = self.discriminator.features(decoded)  # type: ignore[operator]
        return (found - wanted).square().sum(1).mean() / 2

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> the posterior's means (n, latent_dim)."""
        check_x(x, self.config.data_shape)
        return self.encoder(x)[:, 0]

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Codes (n, latent_dim) -> pictures (n, *data_shape) in [-1, 1]."""
        check_x(z, (self.config.latent_dim,), name="z")
        return self.decoder(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> the decoded mean of its posterior, the same shape."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape): decoded draws of N(0, I)."""
        like = next(self.decoder.parameters())
        z = torch.randn((n, self.config.latent_dim), generator=rng, device=rng.device)
        return self.decode(z.to(like))
