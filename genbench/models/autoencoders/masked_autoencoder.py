"""Masked autoencoder: fills in hidden numbers. Vincent et al. 2008, doi 10.1145/1390156.1390294.

L = |x - D(E(x m, m))|^2, m the mask of what is visible, every number hidden by chance. Unlike the
paper's masking noise, the network is told which zeros are holes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import check_mask, check_x
from genbench.config import bounded, check, make_config
from genbench.nets.autoencoding import Autoencoding, squared_error
from genbench.nets.dense import dense
from genbench.protocol import Batch


@dataclass(frozen=True)
class Config:
    """hidden_share: of the numbers of a row in training. hidden: widths from the data to the
    code."""

    data_shape: tuple[int, ...] = bounded(low=1)
    hidden_share: float = bounded(0.5, above=0, below=1)
    latent_dim: int = bounded(64, low=1)
    hidden: tuple[int, ...] = bounded((256, 128), low=1)
    output: Literal["tanh", "linear"] = "tanh"
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)


class MaskedAutoencoder(Autoencoding):
    """encoder: x and mask, (n, 2 C, ...) -> z (n, latent_dim); decoder: z -> x (n, C, ...)."""

    name = "masked_autoencoder"
    Config = Config

    @classmethod
    def build(cls, **options: object) -> Self:
        """A new one with linear layers, from fields of Config."""
        c = make_config(Config, options, name=cls.name)
        width = math.prod(c.data_shape)
        between = [*c.hidden, c.latent_dim]
        decoder = dense([*between[::-1], width], activation="relu", last=c.output)
        return cls(
            c,
            nn.Sequential(nn.Flatten(), *dense([2 * width, *between], activation="relu")),
            nn.Sequential(*decoder, nn.Unflatten(1, c.data_shape)),
        )

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """The squared distance of the whole row, summed over its numbers."""
        x = batch.x
        # uniform draws of float32: those of half types may round to 1
        visible = ops.uniform(x.shape, seed=batch.seed) >= self.config.hidden_share
        x_hat = self.decoder(self.counted(self.code(x, visible)))
        return {"loss": squared_error(x, x_hat).mean()}

    def code(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, latent_dim) of what mask, bool like x, leaves visible; None: of everything."""
        mask = torch.ones_like(x, dtype=torch.bool) if mask is None else mask
        return self.encoder(torch.cat([torch.where(mask, x, 0), mask.to(x)], dim=1))

    @torch.no_grad()
    def impute(self, x: Tensor, mask: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """x (n, *data_shape) with other numbers where mask, bool like x, is False.

        They are the network's estimate of a mean, so that nothing is drawn from rng; what x holds
        there is not read, but must be finite numbers of the data's range.
        """
        check_x(x, self.config.data_shape)
        check_mask(mask, x)
        return torch.where(mask, x, self.decoder(self.code(x, mask)))
