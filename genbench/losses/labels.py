"""Targets of the critic's loss: smoothed, noisy or flipped labels, for objectives that have them.

Each returns keywords of `genbench.ops.discriminator_bce`, which every labelled objective takes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genbench import ops

Target = float | tuple[float, float]


def label_smoothing(target: float) -> dict[str, Any]:
    """One-sided: fake targets stay 0. Salimans et al. 2016 (arXiv 1606.03498), section 3.4."""
    return {"real_target": target}


def noisy_labels(_: float) -> dict[str, Any]:
    """Every target from a range. Chintala et al. 2016, "How to train a GAN", tip 6."""
    return {"real_target": (0.7, 0.9), "fake_target": (0.0, 0.3)}


def flips(probability: float) -> dict[str, Any]:
    """Target t becomes 1 - t with this probability. Chintala et al. 2016, tip 6."""
    return {"flip_probability": probability}


def drawn_targets(
    logits: Tensor, target: Target, *, flip_probability: float, seed: Tensor | None, stream: int
) -> Tensor:
    """The targets of `logits`, in their shape and dtype; streams as in `ops.discriminator_bce`."""
    like = {"seed": seed, "dtype": logits.dtype}
    if isinstance(target, tuple):
        low, high = target
        found = low + (high - low) * ops.uniform(logits.shape, stream=stream, **like)
    else:
        found = torch.full_like(logits, target)
    if not flip_probability:
        return found
    flipped = ops.uniform(logits.shape, stream=stream + 1, **like) < flip_probability
    return torch.where(flipped, 1 - found, found)
