"""What diffusion models share: the chain's constants, and noise matching.

Ho et al. 2020, arXiv 2006.11239, algorithm 1 and equation 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.config import bounded, check
from genbench.ops.scheduler import DDPMConfig

_TIMES = 1  # the draw of t; the noise has the seed itself


@dataclass(frozen=True)
class ChainConfig:
    """timesteps: T. noise_schedule: "linear", beta from 1e-4 to .02 (Ho 2020, section 4), or
    "cosine" (Nichol and Dhariwal 2021, arXiv 2102.09672). width, depth: of the network; vectors
    get a multilayer perceptron, pictures a U-Net, whose depth counts how often the grid is halved.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    timesteps: int = bounded(1000, low=1)
    noise_schedule: Literal["linear", "cosine"] = "linear"
    width: int = bounded(128, low=1)
    depth: int = bounded(4, low=0)
    learning_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)

    def chain(self) -> DDPMConfig:
        """The options of genbench.ops.scheduler."""
        name = "linear" if self.noise_schedule == "linear" else "squaredcos_cap_v2"
        return DDPMConfig(
            num_train_timesteps=self.timesteps,
            beta_schedule=name,
            clip_sample=len(self.data_shape) == 3,
            timestep_spacing="linspace",
        )

    def alpha_bars(self) -> Tensor:
        """alpha_bar of steps 1 .. T, (T,) float64."""
        return torch.cumprod(1 - self.chain().betas(), 0)


def noise_matching(network: nn.Module, x0: Tensor, alpha_bars: Tensor, seed: Tensor) -> Tensor:
    """Mean of (epsilon - network(x_t, t))^2 over x0 (n, *data_shape), 0-d, t drawn evenly.

    network: (x_t, t) -> noise, t int64 (n,) from 0, for step 1, to T - 1. alpha_bars: (T,).
    seed: int64 (1,).
    """
    u = ops.uniform(len(x0), seed=ops.fold_seed(seed, _TIMES), dtype=torch.float64)
    t = (u * len(alpha_bars)).long()
    x_t, noise = ops.ddpm_add_noise(x0, alpha_bars[t], seed=seed)
    return (network(x_t, t) - noise).square().mean()
