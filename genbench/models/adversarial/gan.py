"""Generative adversarial network. Goodfellow et al. 2014, arXiv 1406.2661; any adversarial loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.errors import InputError
from genbench.losses.adversarial import create_loss
from genbench.nets.mlp import MLP
from genbench.protocol import Batch, OptimizerSpec

NOISE, PENALTY = 0, 1  # the draws of one loss, each with a key of its own


@dataclass(frozen=True)
class Config:
    """Constants of the `quick` protocol; `weight` is the penalties' gamma or lambda."""

    data_shape: tuple[int, ...]
    loss: str | Callable[..., Any] = "non_saturating"
    weight: float = 0.05
    critic_steps: int = 1
    latent_dim: int = 2
    width: int = 128
    depth: int = 3
    slope: float = 0.0
    learning_rate: float = 2e-3
    betas: tuple[float, float] = (0.0, 0.9)
    schedule: str = "cosine"

    def __post_init__(self) -> None:
        for name in ("critic_steps", "latent_dim", "width", "depth"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, got {value!r}")
        for name, low in (("weight", 0), ("slope", 0), ("learning_rate", 1e-12)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and math.isfinite(value) and value >= low):
                raise InputError(f"{name} must be a finite number >= {low:g}, got {value!r}")
        _check_shape(self.data_shape)
        if not isinstance(self.loss, str) and not callable(self.loss):
            raise InputError(f"loss must be a name or a callable, got {self.loss!r}")


def _check_shape(shape: Any) -> None:
    sizes = list(shape) if isinstance(shape, tuple | list) else []
    if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise InputError(f"data_shape must hold positive sizes, got {shape!r}")


class GAN(nn.Module):
    """A generator (n, latent_dim) -> (n, *data_shape), a critic (n, *data_shape) -> logits."""

    def __init__(self, config: Config, generator: nn.Module, critic: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.generator = generator
        self.critic = critic
        self.phases = ("critic",) * config.critic_steps + ("generator",)
        loss = config.loss
        self._loss = create_loss(loss, weight=config.weight) if isinstance(loss, str) else loss

    @classmethod
    def build(cls, **options: Any) -> GAN:
        """A GAN from Config's fields, with an MLP for each player whose network is not given.

        generator, critic: functions of no arguments that return a new module.
        """
        players = {name: options.pop(name, None) for name in ("generator", "critic")}
        known = [field.name for field in fields(Config)]
        for name in options:
            if name not in known:
                raise InputError(f"gan has no field '{name}'; fields: {', '.join(known)}")
        config = Config(**options)
        stock = {"width": config.width, "depth": config.depth, "slope": config.slope}
        generator = players["generator"] or (
            lambda: MLP((config.latent_dim,), config.data_shape, **stock)
        )
        critic = players["critic"] or (lambda: MLP(config.data_shape, (1,), **stock))
        return cls(config, generator(), critic())

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """The parameters of the player that moves in `phase`."""
        return (self.critic if phase == "critic" else self.generator).parameters()

    def optimizer(self, phase: str) -> OptimizerSpec:
        """Adam for both players."""
        config = self.config
        return OptimizerSpec(
            "adam", config.learning_rate, {"betas": config.betas}, schedule=config.schedule
        )

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Terms of one player; batch.x (n, *data_shape), as many generated points."""
        z = ops.normal(
            (len(batch.x), self.config.latent_dim),
            seed=ops.fold_seed(batch.seed, NOISE),
            dtype=batch.x.dtype,
        )
        # The critic's turn needs no graph through the generator.
        with torch.set_grad_enabled(phase == "generator"):
            fake = self.generator(z)
        terms = self._loss(
            self.critic,
            real=batch.x,
            fake=fake,
            phase=phase,
            seed=ops.fold_seed(batch.seed, PENALTY),
        )
        terms = terms if isinstance(terms, dict) else {"loss": terms}
        _check_terms(terms, self._loss)
        return terms

    def after_update(self, phase: str) -> None:
        """Nothing follows an update."""

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape); latents are drawn on the generator's device."""
        like = next(self.generator.parameters())
        z = torch.randn(n, self.config.latent_dim, generator=rng, device=rng.device)
        return self.generator(z.to(like))


def _check_terms(terms: dict[str, Any], loss: Any) -> None:
    """A user's loss must give 0-d tensors, one of them called "loss"."""
    name = getattr(loss, "name", getattr(loss, "__name__", type(loss).__name__))
    if "loss" not in terms:
        raise ValueError(f"{name} must return a tensor or a dict with 'loss', got {list(terms)}")
    for key, term in terms.items():
        if not isinstance(term, Tensor) or term.ndim:
            found = tuple(term.shape) if isinstance(term, Tensor) else type(term).__name__
            raise ValueError(f"{name} must return 0-d tensors, got {found} as '{key}'")
