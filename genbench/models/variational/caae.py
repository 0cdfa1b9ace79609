"""Conditional adversarial autoencoder: keeps who, moves what. Zhang et al. 2017, arXiv 1702.08423.

z = E(x) holds the identity, a is the attribute asked for (there l, an age), G(z, a) the picture.
Equation 4: E and G minimise lambda |x - G(E(x), a)|^2 + gamma TV(G(E(x), a)) and deceive two
critics. D_z tells codes from uniform ones, so that z is spread evenly; D_img tells (x, a) from
generated pairs. Here D_img's generated pairs take a from the next row of the batch: an attribute
that is not the picture's own is then trained too, not only asked for when all is done.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check, make_config
from genbench.errors import InputError
from genbench.nets.mlp import MLP
from genbench.protocol import Batch


@dataclass(frozen=True)
class Config:
    """attributes: numbers in a condition, each about [-1, 1].

    lambda_ and gamma of equation 4 multiply means over pixels; gamma is 10 there (section 4.3), on
    faces of 128 x 128, and 0 here, as strokes of small digits are no wider than a pixel.
    code_weight, image_weight: of what E and G lose to either critic.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    attributes: int = bounded(1, low=1)
    latent_dim: int = bounded(16, low=1)
    lambda_: float = bounded(100.0, low=0)
    gamma: float = bounded(0.0, low=0)
    code_weight: float = bounded(1.0, low=0)
    image_weight: float = bounded(1.0, low=0)
    width: int = bounded(256, low=1)
    depth: int = bounded(2, low=1)
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.5, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)
        if len(self.data_shape) != 3:
            raise InputError(f"data_shape must be (channels, height, width), got {self.data_shape}")


def total_variation(x: Tensor) -> Tensor:
    """Mean distance of neighbouring pixels, x (n, c, height, width) -> (): equation 4's TV."""
    down, right = x.diff(dim=2).abs(), x.diff(dim=3).abs()
    return (down.sum() + right.sum()) / x.numel()


class CAAE(BaseModel):
    """encoder: x -> z in (-1, 1)^latent_dim; generator: [z, a] -> x; critics of z and of [x, a].

    The generator and `image_critic` get rows (n, latent_dim + attributes) and (n, pixels +
    attributes). A batch's condition is a, (n, attributes).
    """

    name = "caae"
    Config = Config
    phases = ("code_critic", "image_critic", "autoencoder")

    def __init__(
        self,
        config: Config,
        encoder: nn.Module,
        generator: nn.Module,
        code_critic: nn.Module,
        image_critic: nn.Module,
    ) -> None:
        super().__init__(config)
        self.encoder, self.generator = encoder, generator
        self.code_critic, self.image_critic = code_critic, image_critic

    @classmethod
    def build(cls, **options: Any) -> Self:
        """Perceptrons of the Config's sizes."""
        c = make_config(cls.Config, options, name=cls.name)
        sizes, pixels = {"width": c.width, "depth": c.depth}, math.prod(c.data_shape)
        return cls(
            c,
            nn.Sequential(MLP(c.data_shape, (c.latent_dim,), **sizes), nn.Tanh()),
            nn.Sequential(MLP((c.latent_dim + c.attributes,), c.data_shape, **sizes), nn.Tanh()),
            MLP((c.latent_dim,), (1,), slope=0.2, **sizes),
            MLP((pixels + c.attributes,), (1,), slope=0.2, **sizes),
        )

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """Encoder and generator in "autoencoder", else the critic of that name."""
        if phase == "autoencoder":
            return [*self.encoder.parameters(), *self.generator.parameters()]
        return (self.code_critic if phase == "code_critic" else self.image_critic).parameters()

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """batch.x (n, *data_shape), batch.condition (n, attributes): one player's terms."""
        x, a = self._check(batch.x, batch.condition)
        if phase == "autoencoder":
            return self._autoencoder(x, a)
        with torch.no_grad():
            z = self.encoder(x)  # (n, latent_dim)
        if phase == "code_critic":
            even = 2 * ops.uniform(z.shape, seed=batch.seed, dtype=z.dtype) - 1
            real, fake = self.code_critic(even), self.code_critic(z)
        else:
            with torch.no_grad():
                moved = self._generate(z, a.roll(1, 0))
            real, fake = self._judge(x, a), self._judge(moved, a.roll(1, 0))
        return {"loss": ops.discriminator_bce(real=real, fake=fake)}

    def _autoencoder(self, x: Tensor, a: Tensor) -> dict[str, Tensor]:
        c, z = self.config, self.encoder(x)
        own, other = self._generate(z, a), a.roll(1, 0)
        terms = {
            "reconstruction": c.lambda_ * (own - x).square().mean(),
            "smoothness": c.gamma * total_variation(own),
            "code": c.code_weight * ops.generator_bce(fake=self.code_critic(z)),
            "image": c.image_weight
            * ops.generator_bce(fake=self._judge(self._generate(z, other), other)),
        }
        return {"loss": sum(terms.values(), x.new_zeros(())), **terms}

    def _generate(self, z: Tensor, a: Tensor) -> Tensor:
        return self.generator(torch.cat([z, a], 1))  # (n, *data_shape)

    def _judge(self, x: Tensor, a: Tensor) -> Tensor:
        return self.image_critic(torch.cat([x.flatten(1), a], 1))  # (n, 1) logits

    def _check(self, x: Tensor, a: Tensor | None) -> tuple[Tensor, Tensor]:
        check_x(x, self.config.data_shape, within=False)
        if a is None:
            raise InputError(f"condition must be (n, {self.config.attributes}), got None")
        check_x(a, (self.config.attributes,), name="condition")
        if len(a) != len(x):
            raise InputError(f"condition must have as many rows as x, {len(x)}, got {len(a)}")
        return x, a.to(x)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> identities z (n, latent_dim) in (-1, 1)."""
        check_x(x, self.config.data_shape)
        return self.encoder(x)

    @torch.no_grad()
    def move(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (n, *data_shape) with the attributes `condition` (n, attributes), like x."""
        x, a = self._check(x, condition)
        return self._generate(self.encode(x), a)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """(n, *data_shape) of even z; condition (n, attributes), or even on [-1, 1]."""
        c, options = self.config, {"generator": rng, "device": rng.device}
        like = next(self.generator.parameters())
        z = 2 * torch.rand((n, c.latent_dim), **options) - 1
        drawn = 2 * torch.rand((n, c.attributes), **options) - 1
        if condition is not None:
            check_x(condition, (c.attributes,), name="condition")
            drawn = condition
        return self._generate(z.to(like), drawn.to(like))
