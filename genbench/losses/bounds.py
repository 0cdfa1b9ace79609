"""Bounds of log p(x) by latents. Kingma and Welling 2013; Burda et al. 2015, arXiv 1509.00519."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genbench import ops
from genbench.ops.noise import resolve_seed


def normal_log_prob(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """ln N(z; mu, diag(exp(logvar))), all (n, ...) -> (n,), nats."""
    quadratic = (z - mu).square() * torch.exp(-logvar)
    return -0.5 * (quadratic + logvar + math.log(2 * math.pi)).flatten(1).sum(1)


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """ln N(z; 0, I) of z (n, ...) -> (n,), nats."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1)


def seed_from(rng: torch.Generator, device: torch.device) -> Tensor:
    """A seed int64 (1,) on `device`, drawn from `rng` on any device."""
    return resolve_seed(None, rng, device=rng.device).to(device)


def repeated(
    draw: Callable[[Tensor], Tensor], *, rng: torch.Generator, count: int, device: torch.device
) -> Tensor:
    """(count, n): `draw` of a seed (1,) gives (n,), such as log p(x, z) - log q(z | x)."""
    seed = seed_from(rng, device)
    return torch.stack([draw(ops.fold_seed(seed, number)) for number in range(count)])


def importance_weighted(log_weights: Tensor) -> Tensor:
    """ln of the mean weight, (K, n) -> (n,), nats: a bound of log p(x) that rises with K."""
    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))
