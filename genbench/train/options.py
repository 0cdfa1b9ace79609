"""What a run may change about training, whatever the model: checked once, kept with the run."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from genbench.config import bounded, check
from genbench.errors import InputError
from genbench.protocol import OptimizerSpec

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Options:
    """None leaves a thing as the model has it.

    ema: decay of the weights' exponential moving average. precision: of matrix products and
    convolutions, by autocast; float16 with gradients scaled. clip: largest norm of a turn's
    gradients. accumulate: batches a turn, whose mean gradient is taken. warmup: steps over which
    the learning rate rises from zero. compiled: the whole step as one graph. captured: that graph
    as a CUDA graph.
    """

    ema: float | None = bounded(None, above=0.0, below=1.0)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    clip: float | None = bounded(None, above=0.0)
    accumulate: int = bounded(1, low=1)
    warmup: int = bounded(0, low=0)
    schedule: Literal["constant", "cosine", "linear"] | None = None
    compiled: bool = False
    captured: bool = False

    def __post_init__(self) -> None:
        check(self)
        if self.captured and not self.compiled:
            raise InputError("captured: a CUDA graph is taken of a compiled step; add compiled")
        if self.compiled and self.accumulate > 1:
            raise InputError(f"accumulate: a compiled step takes one batch, got {self.accumulate}")
        if self.compiled and self.precision == "float16":
            raise InputError("precision: a compiled step scales no gradients; take bfloat16")

    def spec(self, own: OptimizerSpec) -> OptimizerSpec:
        """A model's optimiser with the run's schedule and warm-up."""
        return replace(own, schedule=self.schedule or own.schedule, warmup=self.warmup)

    def autocast(self, device: str) -> contextlib.AbstractContextManager[object]:
        """Where losses are computed, on a device of that type."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(device, dtype=_DTYPES[self.precision])

    def scaler(self, device: str) -> torch.amp.GradScaler:
        """Scales losses before backward; does nothing but for float16."""
        return torch.amp.GradScaler(device, enabled=self.precision == "float16")


def clip_norm(gradients: Sequence[torch.Tensor], largest: float) -> list[torch.Tensor]:
    """Gradients whose common norm is at most `largest`, as torch.nn.utils.clip_grad_norm_ does."""
    total = torch.stack([g.norm() for g in gradients]).norm()
    factor = (largest / (total + 1e-6)).clamp(max=1.0)
    return [g * factor for g in gradients]
