"""Mixtures of isotropic Gaussians: the data of mode-collapse studies, with exact density."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from genbench.catalog import look_up
from genbench.data import MIXTURES
from genbench.errors import InputError

_ROUNDING = 1e-9  # of a basis and of means, relative
_THICKNESS = 1e-3  # sigmas: what float32 makes of a point of the subspace


@dataclass(frozen=True, eq=False)
class Mixture:
    """Equally weighted Gaussians N(means[k], sigma^2 I), or N(means[k], sigma^2 B B').

    means: (K, D) float64. sigma: standard deviation of every coordinate, in the data's units.
    basis: B (D, d), d orthonormal columns that span the means, or None: noise in all D dimensions.
    Raises InputError for other shapes, values that are not finite, sigma <= 0, or a basis that is
    not orthonormal or does not span the means.
    """

    name: str
    means: Tensor  # (K, D) float64; anything torch.as_tensor takes
    sigma: float
    basis: Tensor | None = None  # (D, d) float64

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
        if self.basis is not None:
            object.__setattr__(self, "basis", _checked_basis(self.basis, means))

    @property
    def dimensions(self) -> int:
        """In how many dimensions the noise lies: d of a basis (D, d), else D."""
        return self.means.shape[1] if self.basis is None else self.basis.shape[1]

    @property
    def scale(self) -> float:
        """Root mean square standard deviation of the D coordinates."""
        between = self.means.var(dim=0, correction=0).mean().item()
        return math.sqrt(between + self.sigma**2 * self.dimensions / self.means.shape[1])

    @cached_property
    def digest(self) -> str:
        """Identifies the distribution: hexadecimal SHA-256 of means, sigma and basis."""
        sha = hashlib.sha256(repr(tuple(self.means.shape)).encode())
        sha.update(self.means.contiguous().numpy().tobytes() + repr(float(self.sigma)).encode())
        if self.basis is not None:
            sha.update(repr(tuple(self.basis.shape)).encode())
            sha.update(self.basis.contiguous().numpy().tobytes())
        return sha.hexdigest()

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, D) float64, drawn on the CPU; the same generator state gives the same points."""
        modes = torch.randint(len(self.means), (n,), generator=rng)
        noise = torch.randn(n, self.dimensions, generator=rng, dtype=torch.float64)
        if self.basis is not None:
            noise = noise @ self.basis.T
        return self.means[modes] + self.sigma * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """Natural logarithm of the density at x (n, D) -> (n,) float64.

        With a basis: density per d-dimensional volume of the subspace, -infinity at points farther
        from it than a thousandth of sigma.
        """
        x, means = x.to(torch.float64), self.means
        inside = torch.ones(len(x), dtype=torch.bool)
        if self.basis is not None:
            within, means = x @ self.basis, means @ self.basis
            off = torch.linalg.vector_norm(x - within @ self.basis.T, dim=1)
            x, inside = within, off <= _THICKNESS * self.sigma
        squared = torch.cdist(x, means, compute_mode=_EXACT).square()
        volume = self.dimensions / 2 * math.log(2 * math.pi * self.sigma**2)
        density = torch.logsumexp(-squared / (2 * self.sigma**2), dim=1) - volume
        return (density - math.log(len(means))).where(inside, -math.inf)


_EXACT = "donot_use_mm_for_euclid_dist"  # the matrix form cancels for close points


def _checked_basis(basis: Tensor, means: Tensor) -> Tensor:
    basis = torch.as_tensor(basis, dtype=torch.float64).detach().cpu().clone()
    width = means.shape[1]
    if basis.ndim != 2 or basis.shape[0] != width or not 1 <= basis.shape[1] <= width:
        raise InputError(
            f"basis must be ({width}, d) with d of 1 to {width}, got shape {tuple(basis.shape)}"
        )
    identity = torch.eye(basis.shape[1], dtype=torch.float64)
    if not torch.allclose(basis.T @ basis, identity, rtol=0, atol=_ROUNDING):
        raise InputError("basis must have orthonormal columns")
    off = (means - means @ basis @ basis.T).abs().max().item()
    if off > _ROUNDING * max(1.0, means.abs().max().item()):
        raise InputError(f"basis must span the means, got a mean {off:.3g} beside it")
    return basis


def mixture(name: str) -> Mixture:
    """The mixture called `name`; raises InputError for an unknown name."""
    entry = look_up(MIXTURES, name, argument="data")
    return entry.load()(name=name, **entry.preset)
