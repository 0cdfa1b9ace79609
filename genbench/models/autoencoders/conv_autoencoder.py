"""Convolutional autoencoder of a published teaching table: 50,161 parameters on (1, 28, 28).

L = |x - D(E(x))|^2 (Masci et al. 2011, doi 10.1007/978-3-642-21735-7_7, stacked such layers). The
code is (64, 2, 2): 256 numbers a picture, not 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from torch import Tensor, nn

from genbench.config import bounded, check, make_config
from genbench.errors import InputError
from genbench.nets.autoencoding import Autoencoding, squared_error
from genbench.protocol import Batch

CODE_CHANNELS = 64


@dataclass(frozen=True)
class Config:
    """data_shape: (C, H, W), H and W of 12 k + 4, whence the layers lead back: 16, 28, 40, ..."""

    data_shape: tuple[int, ...] = bounded(low=1)
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)
        sizes = self.data_shape[1:]
        if len(sizes) != 2 or any(size < 16 or size % 12 != 4 for size in sizes):
            raise InputError(
                "data_shape must be (C, H, W) with H and W of 16, 28, 40, ... (12 k + 4), got "
                f"{self.data_shape}"
            )


class ConvAutoencoder(Autoencoding):
    """encoder: x (n, C, 12 k + 4, 12 l + 4) -> (n, 64, k, l); decoder: back to x."""

    name = "conv_autoencoder"
    Config = Config

    def __init__(self, config: Config, encoder: nn.Module, decoder: nn.Module) -> None:
        _, *sizes = config.data_shape
        code_shape = (CODE_CHANNELS, *((size - 4) // 12 for size in sizes))
        super().__init__(config, encoder, decoder, code_shape)

    @classmethod
    def build(cls, **options: object) -> Self:
        """A new one with the table's layers, from fields of Config."""
        c = make_config(Config, options, name=cls.name)
        return cls(c, _encoder(c.data_shape[0]), _decoder(c.data_shape[0]))

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """The squared error of a picture, summed over its pixels."""
        x_hat = self.decoder(self.counted(self.code(batch.x)))
        return {"loss": squared_error(batch.x, x_hat).mean()}


def _encoder(channels: int) -> nn.Sequential:
    return nn.Sequential(  # (n, channels, 28, 28)
        nn.Conv2d(channels, 32, 3, stride=3, padding=1),  # (n, 32, 10, 10)
        nn.ReLU(),
        nn.MaxPool2d(2, stride=2),  # (n, 32, 5, 5)
        nn.Conv2d(32, CODE_CHANNELS, 3, stride=2, padding=1),  # (n, 64, 3, 3)
        nn.ReLU(),
        nn.MaxPool2d(2, stride=1),  # (n, 64, 2, 2)
    )


def _decoder(channels: int) -> nn.Sequential:
    return nn.Sequential(  # (n, 64, 2, 2)
        nn.ConvTranspose2d(CODE_CHANNELS, 32, 3, stride=2),  # (n, 32, 5, 5)
        nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 5, stride=3, padding=1),  # (n, 16, 15, 15)
        nn.ReLU(),
        nn.ConvTranspose2d(16, channels, 2, stride=2, padding=1),  # (n, channels, 28, 28)
        nn.Tanh(),
    )
