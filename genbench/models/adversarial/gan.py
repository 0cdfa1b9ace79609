"""Generative adversarial network. Goodfellow et al. 2014, arXiv 1406.2661; any adversarial loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel
from genbench.catalog import look_up
from genbench.config import bounded, check, make_config
from genbench.errors import InputError
from genbench.losses.adversarial import create_loss
from genbench.losses.remedies import Remedies, add_instance_noise
from genbench.nets import NETWORKS
from genbench.nets.dropout import SeededDropout
from genbench.nets.minibatch import MinibatchStd, pack, seen_shape
from genbench.nets.spectral import normalise
from genbench.protocol import Batch, OptimizerSpec

# The draws of one loss, each with a key of its own; a loss takes those up to LOSS + 7.
LATENT, LOSS, INSTANCE_NOISE, DROPOUT = 0, 1, 8, 9

BLOCK_ENTRIES = 2**23  # of the samples made at once


@dataclass(frozen=True)
class Config:
    """Constants of the `quick` protocol; `weight` is the penalties' gamma or lambda.

    critic_steps: where the loss's name has none ("+critic5"). generator, critic: names of NETWORKS.
    critic_width, critic_depth, critic_learning_rate: the generator's where None. betas: Adam's.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    loss: str | Callable[..., Any] = "non_saturating"
    weight: float = bounded(0.05, low=0.0)
    critic_steps: int = bounded(1, low=1)
    latent_dim: int = bounded(2, low=1)
    generator: str = "mlp"
    critic: str = "mlp"
    width: int = bounded(128, low=1)
    depth: int = bounded(3, low=1)
    critic_width: int | None = bounded(None, low=1)
    critic_depth: int | None = bounded(None, low=1)
    slope: float = bounded(0.0, low=0.0)
    learning_rate: float = bounded(3e-3, above=0.0)
    critic_learning_rate: float | None = bounded(None, above=0.0)
    optimizer: Literal["adam", "adagrad"] = "adam"
    betas: tuple[float, float] = bounded((0.0, 0.9), low=0.0, below=1.0)
    schedule: str = "cosine"

    def __post_init__(self) -> None:
        check(self)
        for player in ("generator", "critic"):
            look_up(NETWORKS, getattr(self, player), argument=player)
        if not isinstance(self.loss, str) and not callable(self.loss):
            raise InputError(f"loss must be a name or a callable, got {self.loss!r}")


class GAN(BaseModel):
    """A generator (n, latent_dim) -> (n, *data_shape), a critic (n, *shown_shape) -> logits.

    shown_shape: of one row that the critic gets, data_shape unless the loss packs points;
    critic_shape: of one that its network gets, with the minibatch's deviation. lookahead:
    {"generator": ("critic", K)} where the generator's loss is to be taken after K further steps of
    the critic, differentiated through (Metz 2017).
    """

    name = "gan"
    Config = Config

    def __init__(self, config: Config, generator: nn.Module, critic: nn.Module) -> None:
        super().__init__(config)
        loss = config.loss
        self._loss = create_loss(loss, weight=config.weight) if isinstance(loss, str) else loss
        self.remedies = remedies = _remedies(self._loss)
        self.critic_shape = _critic_shape(config, remedies)
        self.shown_shape = _critic_shape(config, replace(remedies, minibatch_std=False))
        self.generator = generator
        critic = normalise(critic) if remedies.spectral_norm else critic
        self.critic = MinibatchStd(critic) if remedies.minibatch_std else critic
        self._dropout = SeededDropout(generator, remedies.dropout) if remedies.dropout else None
        steps = remedies.critic or config.critic_steps
        self.phases = ("critic",) * steps + ("generator",)
        self.lookahead: Mapping[str, tuple[str, int]] = (
            {"generator": ("critic", remedies.unrolled)} if remedies.unrolled else {}
        )

    @classmethod
    def build(cls, **options: Any) -> GAN:
        """A GAN from Config's fields.

        generator, critic: names of NETWORKS, or functions of no arguments that return a new module,
        in which case the fields that size them do nothing. None is the field's default.
        """
        own = {name: options.pop(name) for name in _given(options)}
        config = make_config(Config, options, name=cls.name)
        loss = create_loss(config.loss) if isinstance(config.loss, str) else config.loss
        seen = _critic_shape(config, _remedies(loss))
        generator = own["generator"]() if own.get("generator") else _generator(config)
        critic = own["critic"]() if own.get("critic") else _critic(config, seen)
        if own.get("critic") and seen != tuple(config.data_shape):
            _check_takes(critic, seen, config)
        made = cls(config, generator, critic)
        made.rebuildable = not any(own.values())
        return made

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """The parameters of the player that moves in `phase`."""
        return (self.critic if phase == "critic" else self.generator).parameters()

    def optimizer(self, phase: str) -> OptimizerSpec:
        """Adam for both players, or Adagrad, which takes no betas."""
        config, rate = self.config, self.config.learning_rate
        if phase == "critic" and config.critic_learning_rate is not None:
            rate = config.critic_learning_rate
        options = {"betas": config.betas} if config.optimizer == "adam" else {}
        return OptimizerSpec(config.optimizer, rate, options, schedule=config.schedule)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Terms of one player; batch.x (n, *data_shape), as many generated points."""
        # The critic's turn needs no graph through the generator, unless one looks back through it.
        with torch.set_grad_enabled(phase == "generator" or batch.unrolled):
            fake = self._generate(batch)
        terms = self._loss(
            self.critic,
            real=self._shown(batch.x, batch, stream=0),
            fake=self._shown(fake, batch, stream=1),
            phase=phase,
            seed=ops.fold_seed(batch.seed, LOSS),
        )
        terms = terms if isinstance(terms, dict) else {"loss": terms}
        _check_terms(terms, self._loss)
        return terms

    def _generate(self, batch: Batch) -> Tensor:
        """As many points as the batch has, (n, *data_shape), from its seed."""
        uniform = self.remedies.uniform_latent
        z = (ops.uniform if uniform else ops.normal)(
            (len(batch.x), self.config.latent_dim),
            seed=ops.fold_seed(batch.seed, LATENT),
            dtype=batch.x.dtype,
        )
        z = 2 * z - 1 if uniform else z
        if self._dropout is None:
            return self.generator(z)
        return self._dropout(self.generator, z, ops.fold_seed(batch.seed, DROPOUT))

    def _shown(self, x: Tensor, batch: Batch, *, stream: int) -> Tensor:
        """x (n, *data_shape) as the critic gets it: with instance noise, and packed."""
        remedies = self.remedies
        if remedies.instance_noise:
            seed = ops.fold_seed(batch.seed, INSTANCE_NOISE)
            std = remedies.instance_noise
            x = add_instance_noise(x, std=std, done=batch.done, seed=seed, stream=stream)
        if remedies.packing == 1:
            return x
        if len(x) % remedies.packing:
            raise InputError(
                f"batch: packing{remedies.packing} needs a multiple of {remedies.packing} rows, "
                f"got {len(x)}"
            )
        return pack(x, remedies.packing)

    @torch.no_grad()
    def after_update(self, phase: str) -> None:
        """Clips the critic's weights where the loss asks for it."""
        clip = self.remedies.clip
        if phase == "critic" and clip is not None:
            for parameter in self.critic.parameters():
                parameter.clamp_(-clip, clip)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape); latents and dropout are drawn on the generator's device.

        The network makes them block by block: the hidden channels of 26,000 pictures of 28x28
        would take 9 GB at once.
        """
        like = next(self.generator.parameters())
        shape, options = (n, self.config.latent_dim), {"generator": rng, "device": rng.device}
        uniform = self.remedies.uniform_latent
        z = 2 * torch.rand(shape, **options) - 1 if uniform else torch.randn(shape, **options)
        blocks = z.to(like).split(max(1, BLOCK_ENTRIES // math.prod(self.config.data_shape)))
        if self._dropout is None:
            return torch.cat([self.generator(block) for block in blocks])
        seed = torch.randint(2**63 - 1, (1,), **options).to(like.device)
        seeds = [ops.fold_seed(seed, index) for index in range(len(blocks))]
        parts = [self._dropout(self.generator, *pair) for pair in zip(blocks, seeds, strict=True)]
        return torch.cat(parts)


def _remedies(loss: Any) -> Remedies:
    """What a loss asks of its model; nothing where it is the user's own callable."""
    return getattr(loss, "remedies", None) or Remedies()


def _critic_shape(config: Config, remedies: Remedies) -> tuple[int, ...]:
    packing, deviation = remedies.packing, remedies.minibatch_std
    return seen_shape(config.data_shape, packing=packing, minibatch_std=deviation)


def _given(options: Mapping[str, Any]) -> list[str]:
    """Which players' options are no names: functions, or None."""
    names = ("generator", "critic")
    return [n for n in names if callable(options.get(n)) or (n in options and options[n] is None)]


def _generator(config: Config) -> nn.Module:
    make, sizes = NETWORKS[config.generator].load(), {"width": config.width, "depth": config.depth}
    return make((config.latent_dim,), config.data_shape, slope=config.slope, **sizes)


def _critic(config: Config, seen: tuple[int, ...]) -> nn.Module:
    width, depth = config.critic_width or config.width, config.critic_depth or config.depth
    make = NETWORKS[config.critic].load()
    return make(seen, (1,), width=width, depth=depth, slope=config.slope)


def _check_takes(critic: nn.Module, seen: tuple[int, ...], config: Config) -> None:
    """Refuses a user's critic whose input is not what the loss makes of the points."""
    was_training = critic.training
    critic.eval()  # the try leaves no trace in running means
    try:
        with torch.no_grad():
            critic(torch.zeros(2, *seen))
    except Exception as error:  # whatever a network may raise at sizes that do not fit
        raise InputError(
            f"critic: with {config.loss} it gets rows of shape {seen}, made of points of shape "
            f"{tuple(config.data_shape)}; it raised {' '.join(str(error).split())}"
        ) from error
    finally:
        critic.train(was_training)


def _check_terms(terms: dict[str, Any], loss: Any) -> None:
    """A user's loss must give 0-d tensors, one of them called "loss"."""
    name = getattr(loss, "name", getattr(loss, "__name__", type(loss).__name__))
    if "loss" not in terms:
        raise ValueError(f"{name} must return a tensor or a dict with 'loss', got {list(terms)}")
    for key, term in terms.items():
        if not isinstance(term, Tensor) or term.ndim:
            found = tuple(term.shape) if isinstance(term, Tensor) else type(term).__name__
            raise ValueError(f"{name} must return 0-d tensors, got {found} as '{key}'")
