"""Critic penalties; each returns the term already weighted, as its paper writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genbench import ops


@dataclass(frozen=True)
class CriticPoints:
    """The critic at its real and generated points, evaluated once for loss and penalties.

    real, fake: (n, *data_shape), requiring gradients where a penalty asks for them; real_logits and
    fake_logits: the critic's output there; seed: int64 (1,) for penalties that draw.
    """

    critic: nn.Module | Callable[[Tensor], Tensor]
    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    seed: Tensor


@dataclass(frozen=True)
class Penalty:
    """`term(points, weight)` -> 0-d; `at_real` / `at_fake`: needs input gradients there."""

    term: Callable[[CriticPoints, float], Tensor]
    at_real: bool = False
    at_fake: bool = False


def _zero_centred(points: Tensor, logits: Tensor, gamma: float) -> Tensor:
    (gradients,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
    return gamma / 2 * ops.gradient_norm_penalty(gradients, center=0.0)


def _between(points: CriticPoints, weight: float, *, one_sided: bool = False) -> Tensor:
    if points.fake.grad_fn is not None:  # unrolled: the points follow the generator
        x_hat = ops.interpolate(real=points.real, fake=points.fake, seed=points.seed)
        logits = points.critic(x_hat)
        (slopes,) = torch.autograd.grad(logits.sum(), x_hat, create_graph=True)
        return weight * ops.gradient_norm_penalty(slopes, one_sided=one_sided)
    return weight * ops.gradient_penalty(
        points.critic, real=points.real, fake=points.fake, one_sided=one_sided, seed=points.seed
    )


def _around_real(points: CriticPoints, weight: float) -> Tensor:
    real = points.real.detach()
    # one scale for the batch, as the authors' code has it; a batch of one has the scale 0
    scale = 0.5 * real.std(correction=0)
    noise = ops.normal(real.shape, seed=points.seed, stream=1, dtype=real.dtype)
    return weight * ops.gradient_penalty(points.critic, real=real + scale * noise)


# Mescheder, Geiger, Nowozin 2018 (arXiv 1801.04406), equations 9 and 10: gamma / 2 E ||grad D||^2.
r1 = Penalty(lambda p, gamma: _zero_centred(p.real, p.real_logits, gamma), at_real=True)
r2 = Penalty(lambda p, gamma: _zero_centred(p.fake, p.fake_logits, gamma), at_fake=True)

# Gulrajani et al. 2017 (arXiv 1704.00028), equation 3: lambda E (||grad D(x_hat)|| - 1)^2.
gp = Penalty(_between)

# Petzka, Fischer, Lukovnikov 2018 (arXiv 1709.08894), equation 8: max(0, ||grad D(x_hat)|| - 1)^2.
gp_one_sided = Penalty(lambda p, weight: _between(p, weight, one_sided=True))

# Kodali et al. 2017 (arXiv 1705.07215), section 2.3: x + delta, delta ~ N(0, c I), norm k = 1.
dragan = Penalty(_around_real)
