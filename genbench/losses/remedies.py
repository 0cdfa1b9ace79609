"""Remedies that act on networks, latents, batches and steps: a loss names them, a model keeps them.

Sonderby 2016, arXiv 1610.04490 (instance noise); Lin 2018, arXiv 1712.04086 (packing); Metz 2017,
arXiv 1611.02163 (unrolling); Goodfellow 2014, arXiv 1406.2661, algorithm 1 (critic steps).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from genbench import ops


@dataclass(frozen=True)
class Remedies:
    """Fields are called as in PARTS, without N; `critic` None: as the model's config says.

    clip: the bound on every weight of the critic after its update (Arjovsky 2017, arXiv
    1701.07875, algorithm 1). instance_noise: std in units of the data as the critic gets them.
    """

    clip: float | None = None
    instance_noise: float = 0.0
    spectral_norm: bool = False
    minibatch_std: bool = False
    packing: int = 1
    critic: int | None = None
    unrolled: int = 0
    dropout: float = 0.0
    uniform_latent: bool = False


def add_instance_noise(
    x: Tensor, *, std: float, done: Tensor | float, seed: Tensor, stream: int
) -> Tensor:
    """x (n, ...) plus Gaussian noise of std * (1 - done), done in [0, 1) being the run's share."""
    noise = ops.normal(x.shape, seed=seed, stream=stream, dtype=x.dtype)
    return x + std * (1 - done) * noise
