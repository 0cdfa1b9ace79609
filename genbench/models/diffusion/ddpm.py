"""Denoising diffusion probabilistic model. Ho, Jain, Abbeel 2020, arXiv 2006.11239.

Trained by algorithm 1, sampled by algorithm 2: x_{t-1} has alpha_t under the root, and no noise is
added at t = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import make_config
from genbench.losses.diffusion import ChainConfig, noise_matching
from genbench.nets.denoiser import make_denoiser
from genbench.ops.scheduler import DDPMScheduler
from genbench.protocol import Batch

BLOCK_ENTRIES = 2**18  # of the samples made at once


@dataclass(frozen=True)
class Config(ChainConfig):
    """variance: sigma_t^2 is beta_t ("fixed_large"), or the posterior's where x_0 is known
    ("fixed_small"), which narrows modes: with exact predictions one of deviation .018 to .80 of it.
    """

    variance: Literal["fixed_large", "fixed_small"] = "fixed_large"


class DDPM(BaseModel):
    """network: forward(x_t, t) -> noise, (n, *data_shape), t int64 (n,), 0 for the paper's 1.

    Pictures' x_0 is kept within [-1, 1] at every step of sampling.
    """

    name, Config = "ddpm", Config
    alpha_bars: Tensor  # (T,)

    def __init__(self, config: Config, network: nn.Module) -> None:
        super().__init__(config)
        self.network = network
        bars = config.alpha_bars().to(torch.get_default_dtype())
        self.register_buffer("alpha_bars", bars, persistent=False)
        chain = replace(config.chain(), variance_type=config.variance)
        self.scheduler = DDPMScheduler.from_config(chain)

    @classmethod
    def build(cls, **options: object) -> Self:
        """A model from fields of Config; raises InputError for a wrong name or value."""
        c = make_config(cls.Config, options, name=cls.name)
        return cls(c, make_denoiser(c.data_shape, width=c.width, depth=c.depth))

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Mean squared error of the predicted noise; batch.x (n, *data_shape)."""
        return {"loss": noise_matching(self.network, batch.x, self.alpha_bars, batch.seed)}

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape); all noise comes from one key, drawn from rng."""
        key = torch.randint(2**63 - 1, (1,), generator=rng, device=rng.device)
        key = key.to(self.alpha_bars.device)
        rows = max(1, BLOCK_ENTRIES // math.prod(self.config.data_shape))
        sizes = [min(rows, n - start) for start in range(0, max(n, 1), rows)]
        draws = self.config.timesteps + 1  # of a block
        parts = [
            self._sample(size, ops.fold_seed(key, block * draws))
            for block, size in enumerate(sizes)
        ]
        return torch.cat(parts)

    def _sample(self, n: int, seed: Tensor) -> Tensor:
        """Algorithm 2 for n rows at once; each step's noise has a key of its own."""
        shape, dtype = (n, *self.config.data_shape), self.alpha_bars.dtype
        x = ops.normal(shape, seed=seed, dtype=dtype)
        for t in range(self.config.timesteps - 1, -1, -1):
            noise = self.network(x, torch.full((n,), t, device=x.device))
            key = ops.fold_seed(seed, t + 1)
            x = self.scheduler.step(noise, t, x, seed=key).prev_sample
        return x

    @torch.no_grad()
    def elbo(self, x: Tensor, rng: torch.Generator, samples: int = 1) -> Tensor:
        """x (n, *data_shape) -> (n,) nats, an unbiased estimate of a bound below log p(x).

        p is a density per volume of the numbers handed in, of the chain without clipping, whose
        last step has variance beta_1 (equation 5). `samples` steps a row, one in each equal part of
        1 .. T, estimate the sum over all of them.
        """
        check_x(x, self.config.data_shape)
        weights, constant = _bound_terms(self.config)
        steps, d, n = len(weights), x[0].numel() if len(x) else 0, len(x)
        u = torch.rand(samples, n, generator=rng, device=rng.device, dtype=torch.float64)
        part = torch.arange(samples, device=rng.device)[:, None]
        times = ((part + u) / samples * steps).long().to(x.device)  # (samples, n)
        bars = self.alpha_bars.to(x)
        errors = x.new_zeros(n, dtype=torch.float64)
        key = torch.randint(2**63 - 1, (1,), generator=rng, device=rng.device).to(x.device)
        for draw, t in enumerate(times):
            x_t, noise = ops.ddpm_add_noise(x, bars[t], seed=ops.fold_seed(key, draw))
            gap = (self.network(x_t, t) - noise).flatten(1).double().square().sum(1)
            errors += weights.to(x.device)[t] * gap * (steps / samples)
        end = self.config.alpha_bars()[-1].item()
        prior = end * (x.flatten(1).double().square().sum(1) - d) - d * math.log1p(-end)
        return (-errors - prior / 2 - d * constant).to(x.dtype)


def _bound_terms(config: Config) -> tuple[Tensor, float]:
    """Weights (T,) float64 of |epsilon - predicted|^2 in the bound's terms, equation 12, and what
    these terms add for each of the d numbers."""
    beta, bars = config.chain().betas(), config.alpha_bars()
    before = torch.cat([bars.new_ones(1), bars[:-1]])
    posterior = beta * (1 - before) / (1 - bars)  # 0 at step 1, which has beta_1
    small = config.variance == "fixed_small"
    variance = torch.cat([beta[:1], (posterior if small else beta)[1:]])
    ratio = posterior[1:] / variance[1:]
    constant = (ratio - 1 - ratio.log()).sum() + math.log(2 * math.pi * beta[0].item())
    return beta.square() / (2 * variance * (1 - beta) * (1 - bars)), constant.item() / 2
