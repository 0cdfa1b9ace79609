"""Denoising diffusion implicit model. Song, Meng, Ermon 2020, arXiv 2010.02502.

The training of DDPM, and a chain over few of its steps: from t down to s, equation 12,
x_s = sqrt(alpha_bar_s) x_0 + sqrt(1 - alpha_bar_s - sigma^2) epsilon + sigma z, with epsilon as the
network predicts it in x_t and x_0 what it leaves. At eta = 0 nothing is drawn, and the chain runs
upwards too (section 4.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, make_config
from genbench.errors import InputError
from genbench.losses.diffusion import ChainConfig, noise_matching
from genbench.nets.denoiser import make_denoiser
from genbench.protocol import Batch

BLOCK_ENTRIES = 2**18  # of the samples made at once


@dataclass(frozen=True)
class Config(ChainConfig):
    """steps: of the chain, evenly over 1 .. T. eta: share of DDPM's noise, from 0 to 1."""

    steps: int = bounded(50, low=1)
    eta: float = bounded(0.0, low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps > self.timesteps:
            raise InputError(f"steps must be at most timesteps {self.timesteps}, got {self.steps}")


class DDIM(BaseModel):
    """network: forward(x_t, t) -> noise, (n, *data_shape), t int64 (n,); a DDPM's will do.

    Pictures are kept within [-1, 1] at the end of a chain.
    """

    name, Config = "ddim", Config
    alpha_bars: Tensor  # (T,)

    def __init__(self, config: Config, network: nn.Module) -> None:
        super().__init__(config)
        self.network = network
        bars = config.alpha_bars()
        self.register_buffer("alpha_bars", bars.to(torch.get_default_dtype()), persistent=False)
        times = config.chain().timesteps(config.steps).tolist()  # descending
        # (t, alpha_bar_t) from the noise down to the data, which have no step of their own
        self._path = [*((t, bars[t].item()) for t in times), (-1, 1.0)]

    @classmethod
    def build(cls, **options: object) -> Self:
        """A model from fields of Config; raises InputError for a wrong name or value."""
        c = make_config(cls.Config, options, name=cls.name)
        return cls(c, make_denoiser(c.data_shape, width=c.width, depth=c.depth))

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """DDPM's: the mean squared error of the predicted noise; batch.x (n, *data_shape)."""
        return {"loss": noise_matching(self.network, batch.x, self.alpha_bars, batch.seed)}

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape); all noise comes from one key, drawn from rng."""
        shape = self.config.data_shape
        key = torch.randint(2**63 - 1, (1,), generator=rng, device=rng.device)
        key = key.to(self.alpha_bars.device)
        z = ops.normal((n, *shape), seed=key, dtype=self.alpha_bars.dtype)
        blocks = z.split(max(1, BLOCK_ENTRIES // math.prod(shape)))
        steps = self.config.steps
        seeds = [ops.fold_seed(key, 1 + block * steps) for block in range(len(blocks))]
        return torch.cat([self._down(*pair) for pair in zip(blocks, seeds, strict=True)])

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> z (n, d) at step T, by the chain upwards with eta = 0."""
        check_x(x, self.config.data_shape)
        for (t, bar), (_, upper) in pairwise(self._path[::-1]):
            noise = self.network(x, self._times(x, max(t, 0)))
            x = _moved(x, noise, bar, upper)
        return x.flatten(1)

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """z (n, d) -> x (n, *data_shape), by the chain downwards with eta = 0."""
        check_x(z, (math.prod(self.config.data_shape),), name="z")
        return self._down(z.unflatten(1, self.config.data_shape), None)

    def _down(self, x: Tensor, seed: Tensor | None) -> Tensor:
        """The chain from x_T (n, *data_shape) to x_0; with eta above 0 noise of `seed`."""
        eta = 0.0 if seed is None else self.config.eta
        for index, ((t, bar), (_, lower)) in enumerate(pairwise(self._path)):
            noise = self.network(x, self._times(x, t))
            sigma = eta * math.sqrt((1 - lower) / (1 - bar) * (1 - bar / lower))
            x = _moved(x, noise, bar, lower, sigma)
            if seed is not None and sigma > 0:
                key = ops.fold_seed(seed, index)
                x = x + sigma * ops.normal(x.shape, seed=key, dtype=x.dtype)
        return x.clamp(-1, 1) if len(self.config.data_shape) == 3 else x

    def _times(self, x: Tensor, t: int) -> Tensor:
        return torch.full(x.shape[:1], t, device=x.device)


def _moved(x: Tensor, noise: Tensor, bar: float, to: float, sigma: float = 0.0) -> Tensor:
    """x (n, ...) of alpha_bar `bar`, moved to alpha_bar `to`, without the fresh noise sigma z."""
    x_0 = (x - math.sqrt(1 - bar) * noise) / math.sqrt(bar)
    return math.sqrt(to) * x_0 + math.sqrt(max(1 - to - sigma**2, 0.0)) * noise
