"""Bars of `real_nvp`: a funnel and rings whose entropies are known, inverses, the integral."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genbench.data.named_mixtures import ring
from genbench.data.streams import Stream
from genbench.studies.bars.bar import Bar, at_most, within
from genbench.studies.bars.lab import Lab
from genbench.train.options import Options

STEPS, BATCH, JUDGED = 1500, 256, 20_000
# without them a few points of the narrow ring go astray, by thousands of nats each
STEADY = Options(clip=1.0, ema=0.99)
SIDE = 801  # points of the quadrature


class Target(NamedTuple):
    """sample(n, rng) -> (n, 2) float64; log_prob (n, 2) -> (n,), nats; bound: of the gap, nats."""

    sample: Callable[[int, torch.Generator], Tensor]
    log_prob: Callable[[Tensor], Tensor]
    bound: float


def funnel_sample(n: int, rng: torch.Generator) -> Tensor:
    """Neal 2003, section 8, on the plane: v ~ N(0, 3^2), x ~ N(0, e^v)."""
    v, noise = torch.randn(2, n, generator=rng, dtype=torch.float64)
    v = 3 * v
    return torch.stack([v, (v / 2).exp() * noise], dim=1)


def funnel_log_prob(x: Tensor) -> Tensor:
    """x (n, 2) -> (n,) nats."""
    v, y = x.unbind(1)
    root = torch.distributions.Normal(torch.zeros_like(v), 3.0)
    return root.log_prob(v) + torch.distributions.Normal(0.0, (v / 2).exp()).log_prob(y)


def targets() -> dict[str, Target]:
    """What is learnt, by name."""
    wide, narrow = (ring(name="ring", sigma=sigma) for sigma in (0.2, 0.05))
    return {
        "funnel": Target(funnel_sample, funnel_log_prob, 0.05),
        "ring, sigma .2": Target(wide.sample, wide.log_prob, 0.1),
        "ring, sigma .05": Target(narrow.sample, narrow.log_prob, 0.8),
    }


def bars(lab: Lab) -> Iterator[Bar]:
    """For each target the gap to its entropy, errors of the inverse, and the integral."""
    for name, target in targets().items():
        found = [judged(lab, seed, target) for seed in lab.seeds]
        gaps, double, single, integrals = zip(*found, strict=True)
        what = "E log p - E log q, nats"
        yield at_most(f"{name}: {what}", gaps, target.bound)
        yield at_most(f"{name}: |x - decode(encode(x))| / max(1, |x|), float64", double, 1e-5)
        yield at_most(f"{name}: the same in float32", single, 1e-4)
        if name != "funnel":  # its mass reaches too far for a grid
            yield within(f"{name}: integral of the density", integrals, 0.99, 1.01)


def judged(lab: Lab, seed: int, target: Target) -> tuple[float, float, float, float]:
    """The gap, the inverse's errors in float64 and float32, and the integral, of one seed."""
    model = lab.train(
        "real_nvp",
        lambda key: Stream(target.sample, batch_size=BATCH, seed=key),
        seed=seed,
        steps=STEPS,
        data_shape=(2,),
        options=STEADY,
    )
    x = target.sample(JUDGED, lab.rng(seed, "judged"))
    single = inverse_error(model, x.float())
    model.double()
    gap = (target.log_prob(x) - model.log_prob(x)).mean().item()
    return gap, inverse_error(model, x), single, integral(model)


def inverse_error(model: Any, x: Tensor) -> float:
    """The largest over rows x (n, d), relative to each number where it is beyond 1."""
    return ((model.decode(model.encode(x)) - x).abs() / x.abs().clamp(min=1)).max().item()


def integral(model: Any) -> float:
    """Of the density over [-3, 3]^2, where a ring has all its mass, by the trapezoidal rule."""
    line = torch.linspace(-3, 3, SIDE, dtype=torch.float64)
    cell = (line[1] - line[0]).item() ** 2
    blocks = torch.cartesian_prod(line, line).split(2**16)
    return cell * math.fsum(model.log_prob(block).exp().sum().item() for block in blocks)
