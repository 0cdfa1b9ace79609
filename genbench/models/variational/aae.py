"""Adversarial autoencoder: codes shaped like any prior. Makhzani et al. 2015, arXiv 1511.05644.

Three turns a step (section 2). Reconstruction: E and D minimise |x - D(E(x))|^2. Regularisation: a
discriminator tells codes E(x) from draws of the prior p(z), then E makes its codes pass for them.
A generated x is D(z) of a z from p(z); there is no density, and no bound on one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check, make_config
from genbench.errors import InputError
from genbench.nets.mlp import MLP
from genbench.protocol import Batch, OptimizerSpec

Prior = Callable[[int, Tensor], Tensor]  # count, seed int64 (1,) -> codes (count, latent_dim)

RADIUS = 4.0  # of the circle that the mixture's means lie on, and of the swiss roll's end
MIXTURE_STD = 0.4  # neighbours among 10 means are 2.47 = 6.2 standard deviations apart
ROLL_STD, ROLL_START, ROLL_TURNS = 0.2, 0.5, 2.0


@dataclass(frozen=True)
class Config:
    """prior: "mixture" and "swiss_roll" are planes, as in figure 2; modes: of the mixture.

    adversarial_rate: the learning rate of the two turns of regularisation.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    prior: Literal["gaussian", "mixture", "swiss_roll"] = "gaussian"
    modes: int = bounded(10, low=2)
    latent_dim: int = bounded(2, low=1)
    width: int = bounded(256, low=1)
    depth: int = bounded(2, low=1)
    learning_rate: float = bounded(1e-3, above=0)
    adversarial_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.5, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)
        if self.prior != "gaussian" and self.latent_dim != 2:
            raise InputError(
                f"latent_dim must be 2 for the prior '{self.prior}', got {self.latent_dim}"
            )


def mixture_means(modes: int) -> Tensor:
    """(modes, 2): evenly on a circle of RADIUS."""
    angle = 2 * math.pi * torch.arange(modes) / modes
    return RADIUS * torch.stack([angle.cos(), angle.sin()], 1)


def roll_curve(share: Tensor) -> Tensor:
    """Points (..., 2) of the swiss roll at shares 0..1 of its length: a spiral of two turns.

    The radius is the root of a uniform number, as an arm's length grows with its square.
    """
    radius = (ROLL_START**2 + share * (RADIUS**2 - ROLL_START**2)).sqrt()
    angle = 2 * math.pi * ROLL_TURNS * (radius - ROLL_START) / (RADIUS - ROLL_START)
    return radius.unsqueeze(-1) * torch.stack([angle.cos(), angle.sin()], -1)


def make_prior(config: Config) -> Prior:
    """The prior that a Config names."""

    def gaussian(n: int, seed: Tensor) -> Tensor:
        return ops.normal((n, config.latent_dim), seed=seed)

    def mixture(n: int, seed: Tensor) -> Tensor:
        mode = (ops.uniform((n,), seed=seed, stream=1) * config.modes).long()
        # a float32 just below 1 may round to the number of modes
        means = mixture_means(config.modes).to(seed.device)[mode.clamp(max=config.modes - 1)]
        return means + MIXTURE_STD * ops.normal((n, 2), seed=seed)

    def swiss_roll(n: int, seed: Tensor) -> Tensor:
        share = ops.uniform((n,), seed=seed, stream=1)
        return roll_curve(share) + ROLL_STD * ops.normal((n, 2), seed=seed)

    return {"gaussian": gaussian, "mixture": mixture, "swiss_roll": swiss_roll}[config.prior]


class AAE(BaseModel):
    """encoder: (n, *data_shape) -> (n, latent_dim); decoder back; discriminator: codes -> logits.

    prior: a sampler of one's own, in place of the Config's.
    """

    name = "aae"
    Config = Config
    phases = ("reconstruction", "discriminator", "encoder")

    def __init__(
        self,
        config: Config,
        encoder: nn.Module,
        decoder: nn.Module,
        discriminator: nn.Module,
        prior: Prior | None = None,
    ) -> None:
        super().__init__(config)
        self.encoder, self.decoder, self.discriminator = encoder, decoder, discriminator
        self.prior = prior or make_prior(config)

    @classmethod
    def build(cls, *, prior: Any = "gaussian", **options: Any) -> Self:
        """Perceptrons of the Config's sizes; prior: a name, or a sampler of one's own."""
        own: Any = prior if callable(prior) else None
        named = {"prior": prior} if own is None else {}
        c = make_config(cls.Config, {**named, **options}, name=cls.name)
        sizes, code = {"width": c.width, "depth": c.depth}, (c.latent_dim,)
        decoder: nn.Module = MLP(code, c.data_shape, **sizes)
        if len(c.data_shape) == 3:  # pictures lie in [-1, 1], vectors anywhere
            decoder = nn.Sequential(decoder, nn.Tanh())
        encoder, critic = MLP(c.data_shape, code, **sizes), MLP(code, (1,), **sizes)
        made = cls(c, encoder, decoder, critic, own)
        made.rebuildable = own is None
        return made

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """Both halves of the autoencoder in "reconstruction", else the network of that name."""
        if phase == "reconstruction":
            return [*self.encoder.parameters(), *self.decoder.parameters()]
        return (self.discriminator if phase == "discriminator" else self.encoder).parameters()

    def optimizer(self, phase: str) -> OptimizerSpec:
        """Adam; the regularisation has a rate of its own."""
        c = self.config
        rate = c.learning_rate if phase == "reconstruction" else c.adversarial_rate
        return OptimizerSpec("adam", rate, {"betas": c.betas}, schedule=c.schedule)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """batch.x (n, *data_shape): squared error a pixel, or the cross-entropy of one player."""
        check_x(batch.x, self.config.data_shape, within=False)
        if phase == "reconstruction":
            return {"loss": (self.decoder(self.encoder(batch.x)) - batch.x).square().mean()}
        if phase == "encoder":
            return {"loss": ops.generator_bce(fake=self.discriminator(self.encoder(batch.x)))}
        with torch.no_grad():
            z = self.encoder(batch.x)  # (n, latent_dim)
        drawn = self.prior(len(z), batch.seed).to(z)
        real, fake = self.discriminator(drawn), self.discriminator(z)
        return {"loss": ops.discriminator_bce(real=real, fake=fake)}

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> codes (n, latent_dim)."""
        check_x(x, self.config.data_shape)
        return self.encoder(x)

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Codes (n, latent_dim) -> (n, *data_shape)."""
        check_x(z, (self.config.latent_dim,), name="z")
        return self.decoder(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> D(E(x)), the same shape."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape): decoded draws of the prior."""
        like = next(self.decoder.parameters())
        seed = torch.randint(2**63 - 1, (1,), generator=rng, device=rng.device)
        return self.decoder(self.prior(n, seed.to(like.device)).to(like))
