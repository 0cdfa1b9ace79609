"""The options of a DDPM noise schedule, its betas, and the timesteps it samples at.

Names as in diffusers' scheduler_config.json. Ho et al. 2020, arXiv 2006.11239.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class DDPMConfig:
    """The options, named as diffusers names them. beta_start and beta_end: as DDPM, section 4."""

    num_train_timesteps: int = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    trained_betas: tuple[float, ...] | None = None  # in place of a schedule
    variance_type: Literal["fixed_small", "fixed_large"] = "fixed_small"
    clip_sample: bool = True
    clip_sample_range: float = 1.0
    prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    timestep_spacing: Literal["leading", "linspace", "trailing"] = "leading"
    steps_offset: int = 0  # of leading timesteps

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            allowed = getattr(field.type, "__args__", ())
            value = getattr(self, field.name)
            if getattr(field.type, "__origin__", None) is Literal and value not in allowed:
                raise ValueError(f"{field.name} must be one of {', '.join(allowed)}, got {value!r}")
        if not isinstance(self.num_train_timesteps, int):
            raise TypeError(f"num_train_timesteps must be int, got {self.num_train_timesteps!r}")
        if self.num_train_timesteps < 1:
            raise ValueError(f"num_train_timesteps must be >= 1, got {self.num_train_timesteps}")
        betas = self.trained_betas
        if betas is not None and len(betas) != self.num_train_timesteps:
            raise ValueError(
                f"trained_betas must hold num_train_timesteps = {self.num_train_timesteps} numbers,"
                f" got {len(betas)}"
            )

    def betas(self) -> Tensor:
        """beta_1 .. beta_T, (num_train_timesteps,) float64, on the CPU."""
        with torch.device("cpu"):  # whatever torch.set_default_device says
            return self._betas()

    def _betas(self) -> Tensor:
        steps, ends = self.num_train_timesteps, (self.beta_start, self.beta_end)
        if self.trained_betas is not None:
            return torch.tensor(self.trained_betas, dtype=torch.float64)
        if self.beta_schedule == "linear":
            return torch.linspace(*ends, steps, dtype=torch.float64)
        if self.beta_schedule == "scaled_linear":
            first, last = (end**0.5 for end in ends)
            return torch.linspace(first, last, steps, dtype=torch.float64).square()
        # Nichol and Dhariwal 2021 (arXiv 2102.09672), equation 17, with s = .008 and beta <= .999
        share = torch.arange(steps + 1, dtype=torch.float64) / steps
        bars = torch.cos((share + 0.008) / 1.008 * math.pi / 2).square()
        return (1 - bars[1:] / bars[:-1]).clamp(max=0.999)

    def timesteps(self, count: int) -> Tensor:
        """`count` timesteps to sample at, (count,) int64, descending.

        Source: Lin et al. 2024, arXiv 2305.08891, table 2.
        """
        total = self.num_train_timesteps
        if not 1 <= count <= total:
            raise ValueError(f"num_inference_steps must be in [1, {total}], got {count}")
        if self.timestep_spacing == "leading":
            steps = np.arange(count)[::-1] * (total // count) + self.steps_offset
        elif self.timestep_spacing == "linspace":
            steps = np.linspace(0, total - 1, count).round()[::-1]
        else:
            steps = np.arange(total, 0, -total / count).round() - 1
        if steps[0] >= total:
            raise ValueError(
                f"steps_offset must leave timesteps below {total}, got {self.steps_offset}"
            )
        return torch.from_numpy(steps.astype(np.int64))
