"""Correct before fast: what a variant returns is held against a float64 truth before it is timed.

A variant that takes the seed is compared as it is. One that draws noise of its own is judged at the
noise it drew: that is solved for from its results, must have the law's mean and variance and no
correlation with the inputs, and all results must agree with the truth at that noise.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Outputs = tuple[Tensor, ...]

# Mean and variance of each law, and the fourth central moment, which the variance's error needs.
LAWS = {"normal": (0.0, 1.0, 3.0), "uniform": (0.5, 1 / 12, 1 / 80)}
ERRORS = 7  # standard errors; no run of all benchmarks sees such a deviation by chance


class Disagreement(AssertionError):
    """A variant computes something else: it has no speed."""


def refuse_different(name: str, found: Outputs, truth: Outputs, tolerance: float) -> None:
    """Raises Disagreement unless |found - truth| <= tolerance (|truth| + rms of the truth)."""
    if len(found) != len(truth):
        raise Disagreement(f"{name} returns {len(found)} tensors, the truth has {len(truth)}")
    for place, (a, b) in enumerate(zip(found, truth, strict=True)):
        if a.shape != b.shape:
            raise Disagreement(
                f"result {place} of {name} is {tuple(a.shape)}, the truth {tuple(b.shape)}"
            )
        scale = b.abs() + b.square().mean().sqrt()
        excess = (a.detach().to(b.dtype) - b).abs() / scale.clamp(min=torch.finfo(b.dtype).tiny)
        worst = float(excess.max())
        if not worst <= tolerance:  # NaN disagrees
            raise Disagreement(
                f"result {place} of {name} is off by {worst:.1e} of its size, at most {tolerance:g}"
            )


def refuse_unlawful(
    name: str, noise: Tensor, law: str, inputs: Sequence[Tensor], tolerance: float
) -> None:
    """Raises Disagreement unless noise (float64) looks drawn by the law, apart from the inputs.

    inputs: those with the noise's shape are held against it.
    """
    mean, variance, fourth = LAWS[law]
    count = noise.numel()
    centred = noise - mean
    allowed = ERRORS / math.sqrt(count)
    spread = centred.square().mean()
    figures = {
        "mean": (float(centred.mean()), allowed * math.sqrt(variance)),
        "variance": (float(spread) - variance, allowed * math.sqrt(fourth - variance**2)),
    }
    for place, given in enumerate(inputs):
        if given.shape == noise.shape and count > 1 and given.square().sum() > 0:
            product = (centred * given).mean() / (spread * given.square().mean()).sqrt()
            figures[f"correlation with input {place}"] = (float(product), allowed)
    for what, (off, limit) in figures.items():
        if not abs(off) <= limit + tolerance:
            raise Disagreement(f"{what} of the {law} noise of {name} is off by {off:.3g}")
