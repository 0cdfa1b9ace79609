"""Denoising autoencoder. Vincent et al. 2008, doi 10.1145/1390156.1390294.

L = |x - D(E(x + noise))|^2 with Gaussian noise: the optimum is the posterior mean E[x | x + noise].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import check_x
from genbench.config import bounded, check, make_config
from genbench.nets.autoencoding import Autoencoding, squared_error
from genbench.nets.dense import dense
from genbench.protocol import Batch


@dataclass(frozen=True)
class Config:
    """noise_std: in the data's units, of which pictures span 2. hidden: widths from the data to the
    code."""

    data_shape: tuple[int, ...] = bounded(low=1)
    noise_std: float = bounded(0.5, above=0)
    latent_dim: int = bounded(64, low=1)
    hidden: tuple[int, ...] = bounded((256, 128), low=1)
    output: Literal["tanh", "linear"] = "tanh"
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)


class DenoisingAutoencoder(Autoencoding):
    """encoder: x (n, *data_shape), noisy or not -> z (n, latent_dim); decoder: z -> like x."""

    name = "denoising_autoencoder"
    Config = Config

    @classmethod
    def build(cls, **options: object) -> Self:
        """A new one with linear layers, from fields of Config."""
        c = make_config(Config, options, name=cls.name)
        sizes = [math.prod(c.data_shape), *c.hidden, c.latent_dim]
        decoder = dense(sizes[::-1], activation="relu", last=c.output)
        return cls(
            c,
            nn.Sequential(nn.Flatten(), *dense(sizes, activation="relu")),
            nn.Sequential(*decoder, nn.Unflatten(1, c.data_shape)),
        )

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """The squared distance of the clean row, summed over its numbers."""
        x = batch.x
        noise = ops.normal(x.shape, seed=batch.seed, dtype=x.dtype)
        z = self.counted(self.code(x + self.config.noise_std * noise))
        return {"loss": squared_error(x, self.decoder(z)).mean()}

    @torch.no_grad()
    def denoise(self, x: Tensor) -> Tensor:
        """What is left of noisy x (n, *data_shape), which may lie beyond [-1, 1]."""
        check_x(x, self.config.data_shape, within=False)
        return self.decoder(self.code(x))
