"""Mixtures of isotropic Gaussians: the data of mode-collapse studies, with exact density."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.catalog import look_up
from genbench.data import CATALOG
from genbench.errors import InputError


@dataclass(frozen=True, eq=False)
class Mixture:
    """Equally weighted Gaussians N(means[k], sigma^2 I).

    means: (K, d) float64. sigma: standard deviation of every coordinate, in the data's units.
    Raises InputError for other shapes, values that are not finite, or sigma <= 0.
    """

    name: str
    means: Tensor  # (K, d) float64; anything torch.as_tensor takes
    sigma: float

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f"name must be a string, got {self.name!r}")
        means = torch.as_tensor(self.means, dtype=torch.float64).detach().cpu().clone()
        if means.ndim != 2 or means.numel() == 0:
            raise InputError(f"means must be (modes, dimensions), got shape {tuple(means.shape)}")
        if not means.isfinite().all():
            raise InputError("means must be finite, got NaN or infinity")
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise InputError(f"sigma must be a finite number > 0, got {self.sigma!r}")
        object.__setattr__(self, "means", means)

    @property
    def scale(self) -> float:
        """Root mean square standard deviation of the coordinates."""
        between = self.means.var(dim=0, correction=0).mean().item()
        return math.sqrt(between + self.sigma**2)

    @property
    def digest(self) -> str:
        """Identifies the distribution: hexadecimal SHA-256 of means and sigma."""
        content = self.means.contiguous().numpy().tobytes() + repr(float(self.sigma)).encode()
        return hashlib.sha256(repr(tuple(self.means.shape)).encode() + content).hexdigest()

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, d) float64, drawn on the CPU; the same generator state gives the same points."""
        modes = torch.randint(len(self.means), (n,), generator=rng)
        noise = torch.randn(n, self.means.shape[1], generator=rng, dtype=torch.float64)
        return self.means[modes] + self.sigma * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """Natural logarithm of the density at x (n, d) -> (n,) float64."""
        modes, dimensions = self.means.shape
        squared = torch.cdist(x.to(torch.float64), self.means, compute_mode=_EXACT).square()
        normaliser = dimensions / 2 * math.log(2 * math.pi * self.sigma**2) + math.log(modes)
        return torch.logsumexp(-squared / (2 * self.sigma**2), dim=1) - normaliser


_EXACT = "donot_use_mm_for_euclid_dist"  # the matrix form cancels for close points


def ring(*, name: str, sigma: float = 0.05) -> Mixture:
    """Eight modes on the unit circle, the endpoint not counted twice."""
    angles = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
    return Mixture(name, torch.stack([angles.cos(), angles.sin()], dim=1), sigma)


def grid(*, name: str, sigma: float = 0.05) -> Mixture:
    """Twenty-five modes at {-4, -2, 0, 2, 4}^2."""
    axis = torch.arange(-4, 5, 2, dtype=torch.float64)
    return Mixture(name, torch.cartesian_prod(axis, axis), sigma)


def mixture(name: str) -> Mixture:
    """The mixture called `name`; raises InputError for an unknown name."""
    entry = look_up(CATALOG, name, argument="data")
    return entry.load()(name=name, **entry.preset)
