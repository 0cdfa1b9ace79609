"""What autoencoders share: an encoder, a decoder, and the running moments of their codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.base import BaseModel, check_x

RATE = 0.01  # of the running moments: they remember some hundred batches
BLOCK_ENTRIES = 2**22  # of the samples decoded at once


class CodeMoments(nn.Module):
    """Mean and standard deviation of each number of a code, over the latest batches.

    A fresh one stands for mean 0 and deviation 1.
    """

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.weight: Tensor
        self.sums: Tensor
        self.register_buffer("weight", torch.zeros(()))
        self.register_buffer("sums", torch.zeros(2, dimensions))  # of z and of its square

    @torch.no_grad()
    def update(self, z: Tensor) -> None:
        """z (n, d): the codes of a batch."""
        self.weight += RATE * (1 - self.weight)
        self.sums += RATE * (torch.stack([z.mean(dim=0), z.square().mean(dim=0)]) - self.sums)

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, d): every number from a Gaussian of its own."""
        unseen = self.weight == 0
        mean, square = self.sums / torch.where(unseen, 1, self.weight)
        std = torch.where(unseen, 1, (square - mean.square()).clamp(min=0).sqrt())
        noise = torch.randn(n, len(mean), generator=rng, device=rng.device)
        return mean + std * noise.to(mean)


class Autoencoding(BaseModel):
    """encoder: x (n, *data_shape) -> (n, *code_shape); decoder: (n, *code_shape) -> like x.

    Not a generative model by itself: `sample` decodes Gaussian noise with the mean and deviation
    that each number of a code had in training. code_shape: (latent_dim,) where None.
    """

    def __init__(
        self,
        config: Any,
        encoder: nn.Module,
        decoder: nn.Module,
        code_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__(config)
        self.encoder, self.decoder = encoder, decoder
        self.code_shape = (config.latent_dim,) if code_shape is None else tuple(code_shape)
        self.moments = CodeMoments(math.prod(self.code_shape))

    def code(self, x: Tensor) -> Tensor:
        """(n, *code_shape) of x (n, *data_shape), for a loss: unchecked, with gradients."""
        return self.encoder(x)

    def counted(self, z: Tensor) -> Tensor:
        """z (n, *code_shape), counted among the codes of training."""
        if self.training:
            self.moments.update(z.detach().flatten(1))
        return z

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Codes (n, d) of x (n, *data_shape); all numbers of a code, whatever its shape."""
        check_x(x, self.config.data_shape)
        return self.code(x).flatten(1)

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """(n, *data_shape) of codes z (n, d)."""
        check_x(z, (math.prod(self.code_shape),), name="z")
        return self.decoder(z.unflatten(1, self.code_shape))

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) through the code and back."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape) of codes whose numbers are independent Gaussians."""
        rows = max(1, BLOCK_ENTRIES // math.prod(self.config.data_shape))
        return torch.cat([self.decode(z) for z in self.moments.sample(n, rng).split(rows)])


def squared_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """|x - x_hat|^2 of each row, (n,)."""
    return (x - x_hat).square().flatten(1).sum(dim=1)
