"""Sparse autoencoder: an L1 penalty on a ReLU code. After Olshausen and Field 1996,
doi 10.1038/381607a0.

L = |x - x_hat|^2 + lambda |z|_1, x_hat = W z + b with columns of W of unit norm: else a longer
column makes a smaller code, and the penalty says nothing. The penalty is the negative logarithm of
a Laplace prior on z; weight decay, mu |weights|^2, is there to compare with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from genbench.config import bounded, check, make_config
from genbench.nets.autoencoding import Autoencoding, squared_error
from genbench.nets.dense import dense
from genbench.protocol import Batch


@dataclass(frozen=True)
class Config:
    """sparsity: lambda. decay: mu, of the encoder's weights. hidden: the encoder's widths between
    data and code, None for one layer. bias: what every number of a code starts with; one that is
    silent on all data learns nothing."""

    data_shape: tuple[int, ...] = bounded(low=1)
    latent_dim: int = bounded(128, low=64)
    hidden: tuple[int, ...] | None = bounded(None, low=1)
    sparsity: float = bounded(0.1, low=0)
    decay: float = bounded(0.0, low=0)
    bias: float = bounded(0.0)
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)


class SparseAutoencoder(Autoencoding):
    """encoder: x (n, *data_shape) -> z (n, latent_dim) >= 0; dictionary: its columns, the atoms."""

    name = "sparse_autoencoder"
    Config = Config

    def __init__(self, config: Config, encoder: nn.Module, dictionary: nn.Linear) -> None:
        decoder = nn.Sequential(dictionary, nn.Unflatten(1, config.data_shape))
        super().__init__(config, encoder, decoder)
        self.after_update("model")

    @property
    def dictionary(self) -> nn.Linear:
        """weight (d_x, latent_dim): a column of unit norm for each number of the code."""
        layer = self.decoder[0]  # pyright: ignore[reportIndexIssue]
        assert isinstance(layer, nn.Linear)
        return layer

    @classmethod
    def build(cls, **options: object) -> Self:
        """A new one with linear layers, from fields of Config."""
        c = make_config(Config, options, name=cls.name)
        width = math.prod(c.data_shape)
        sizes = [width, *(c.hidden or ()), c.latent_dim]
        encoder = dense(sizes, activation="relu", last="relu")
        nn.init.constant_(encoder[-2].bias, c.bias)  # pyright: ignore[reportArgumentType]
        return cls(c, nn.Sequential(nn.Flatten(), *encoder), nn.Linear(c.latent_dim, width))

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """|x - x_hat|^2 and |z|_1 of a row, each summed over its numbers."""
        z = self.counted(self.code(batch.x))  # (n, latent_dim)
        distance = squared_error(batch.x, self.decoder(z)).mean()
        size = z.abs().sum(dim=1).mean()
        loss = distance + self.config.sparsity * size
        if self.config.decay:
            weights = [p for p in self.encoder.parameters() if p.ndim > 1]
            loss = loss + self.config.decay * sum(w.square().sum() for w in weights)
        return {"loss": loss, "distance": distance, "l1": size}

    @torch.no_grad()
    def after_update(self, phase: str) -> None:
        """Brings every column of the dictionary back to unit norm."""
        weight = self.dictionary.weight
        weight.div_(torch.linalg.vector_norm(weight, dim=0).clamp(min=1e-12))
