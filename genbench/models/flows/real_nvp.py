"""Real-valued non-volume preserving flow. Dinh, Sohl-Dickstein, Bengio 2016, arXiv 1605.08803.

log p(x) = log N(f(x); 0, I) + log |det df/dx|, f a chain of affine couplings whose masks take
turns. The paper's multi-scale architecture and batch norm are left out: pictures are vectors here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check, make_config
from genbench.errors import InputError
from genbench.nets.coupling import AffineCoupling, checkerboard
from genbench.protocol import Batch


@dataclass(frozen=True)
class Config:
    """layers: couplings. width, depth: of the network in each.

    levels: of pictures whose values are discrete; training then adds uniform noise of one level's
    width, without which a density on levels grows without bound (Theis 2016, arXiv 1511.01844).
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    layers: int = bounded(8, low=2)
    width: int = bounded(128, low=1)
    depth: int = bounded(2, low=1)
    levels: int | None = bounded(None, low=2)
    learning_rate: float = bounded(2e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)
        if math.prod(self.data_shape) < 2:
            raise InputError(f"data_shape must hold at least 2 numbers, got {self.data_shape}")


class RealNVP(BaseModel):
    """couplings: modules of forward(x) -> y, log-determinant (n,), and inverse(y) -> x, all (n, d).

    `encode`, `decode` and `log_prob` are exact; `log_prob` is a density per volume of the numbers
    handed in. With `levels` the density is that of `dequantised` pictures.
    """

    name, Config = "real_nvp", Config

    def __init__(self, config: Config, couplings: Sequence[nn.Module]) -> None:
        super().__init__(config)
        self.couplings = nn.ModuleList(couplings)

    @classmethod
    def build(cls, **options: object) -> Self:
        """A flow from fields of Config; raises InputError for a wrong name or value."""
        config = make_config(cls.Config, options, name=cls.name)
        mask, sizes = checkerboard(config.data_shape), (config.width, config.depth)
        masks = [mask if layer % 2 else 1 - mask for layer in range(config.layers)]
        return cls(config, [AffineCoupling(b, width=sizes[0], depth=sizes[1]) for b in masks])

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """-log p(x), nats, over batch.x (n, *data_shape)."""
        return {"loss": -self._log_prob(self.dequantised(batch.x, batch.seed)).mean()}

    def dequantised(self, x: Tensor, seed: Tensor) -> Tensor:
        """(x (L - 1) + 2 u - 1) / L of x with L levels in [-1, 1], u uniform; x without levels.

        The result stays within [-1, 1]. seed: int64 (1,).
        """
        levels = self.config.levels
        if levels is None:
            return x
        u = ops.uniform(x.shape, seed=seed, dtype=x.dtype)
        return (x * (levels - 1) + 2 * u - 1) / levels

    def _log_prob(self, x: Tensor) -> Tensor:
        z, log_det = self._flow(x)
        return log_det - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def _flow(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = x.flatten(1)  # (n, d)
        log_det = z.new_zeros(len(z))
        for coupling in self.couplings:
            z, step = coupling(z)
            log_det = log_det + step
        return z, log_det

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape); the noise is drawn on the generator's device."""
        like = next(self.parameters())
        d = math.prod(self.config.data_shape)
        return self.decode(torch.randn(n, d, generator=rng, device=rng.device).to(like))

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> z (n, d), standard normal where x follows the model."""
        check_x(x, self.config.data_shape)
        return self._flow(x)[0]

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """z (n, d) -> x (n, *data_shape), the inverse of `encode`."""
        check_x(z, (math.prod(self.config.data_shape),), name="z")
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)  # type: ignore[operator]
        return z.unflatten(1, self.config.data_shape)

    @torch.no_grad()
    def log_prob(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> (n,) nats, exact."""
        check_x(x, self.config.data_shape)
        return self._log_prob(x)
