"""Bottleneck autoencoder. Hinton and Salakhutdinov 2006, doi 10.1126/science.1127647.

L = |x - D(E(x))|^2. The defaults on (1, 28, 28) are 784-128-64-3 and back: 218,643 parameters. With
one layer, and a sigmoid on the code, it is the form of Bourlard and Kamp 1988; with linear layers
and outputs its optimum spans the principal components (Baldi and Hornik 1989).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

from torch import Tensor, nn

from genbench.config import bounded, check, make_config
from genbench.nets.autoencoding import Autoencoding, squared_error
from genbench.nets.dense import dense
from genbench.protocol import Batch


@dataclass(frozen=True)
class Config:
    """hidden: widths from the data to the code; None: one layer, whose activation is the code's.

    output: "tanh" for data in [-1, 1].
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    latent_dim: int = bounded(3, low=1)
    hidden: tuple[int, ...] | None = bounded((128, 64), low=1)
    activation: Literal["relu", "sigmoid", "linear"] = "relu"
    output: Literal["tanh", "linear"] = "tanh"
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)


class Autoencoder(Autoencoding):
    """encoder: x (n, *data_shape) -> z (n, latent_dim); decoder: z -> like x."""

    name = "autoencoder"
    Config = Config

    @classmethod
    def build(cls, **options: object) -> Self:
        """A new one with linear layers, from fields of Config."""
        c = make_config(Config, options, name=cls.name)
        sizes = [math.prod(c.data_shape), *(c.hidden or ()), c.latent_dim]
        code = "linear" if c.hidden else c.activation
        encoder = dense(sizes, activation=c.activation, last=code)
        decoder = dense(sizes[::-1], activation=c.activation, last=c.output)
        return cls(
            c,
            nn.Sequential(nn.Flatten(), *encoder),
            nn.Sequential(*decoder, nn.Unflatten(1, c.data_shape)),
        )

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """The squared error of a row, summed over its numbers."""
        x_hat = self.decoder(self.counted(self.code(batch.x)))
        return {"loss": squared_error(batch.x, x_hat).mean()}
