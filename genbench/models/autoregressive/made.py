"""Masked autoencoder for distribution estimation. Germain et al. 2015, arXiv 1502.03509.

log p_k(b) = sum_i log Bernoulli(b_i | those before i in the order of mask k), in one pass of the
network; the model is the even mixture of its masks, so that its probabilities sum to one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check, make_config
from genbench.errors import InputError
from genbench.nets.masked_linear import MaskedMLP, random_orders
from genbench.protocol import Batch, OptimizerSpec

_BLOCK = 1024  # rows at once, so that memory does not grow with a request


@dataclass(frozen=True)
class Config:
    """masks: drawn once from mask_seed; a training step sees one of them (section 4.2).

    order: of the pixels, "natural" (row by row, for all masks) or "random" (one a mask).
    weight_decay: an L2 penalty through the gradient.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    width: int = bounded(500, low=1)
    depth: int = bounded(1, low=1)
    masks: int = bounded(16, low=1)
    order: Literal["natural", "random"] = "random"
    mask_seed: int = bounded(0, low=0)
    weight_decay: float = bounded(0.0, low=0)
    learning_rate: float = bounded(3e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)


class MADE(BaseModel):
    """network: forward(x, k) -> logits of pixels, x and logits (n, d), and `orders` (masks, d).

    Pixels are ink where x >= 0: all that the model knows of pictures in [-1, 1], and what it draws
    are -1 and 1. Probabilities are those of binarised pictures.
    """

    name, Config = "made", Config

    def __init__(self, config: Config, network: MaskedMLP) -> None:
        super().__init__(config)
        self.network = network

    @classmethod
    def build(cls, **options: object) -> Self:
        """A model from fields of Config; raises InputError for a wrong name or value."""
        c = make_config(cls.Config, options, name=cls.name)
        d = math.prod(c.data_shape)
        orders = random_orders(c.masks, d, seed=c.mask_seed)
        if c.order == "natural":
            orders = torch.arange(d).repeat(c.masks, 1)
        return cls(c, MaskedMLP(orders, width=c.width, depth=c.depth, seed=c.mask_seed))

    def optimizer(self, phase: str) -> OptimizerSpec:
        """Adam with the Config's rate, betas, schedule and weight decay."""
        c = self.config
        options = {"betas": c.betas, "weight_decay": c.weight_decay}
        return OptimizerSpec("adam", c.learning_rate, options, schedule=c.schedule)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """-log p_k of binarised batch.x (n, *data_shape), nats, for a mask k drawn evenly."""
        u = ops.uniform(1, seed=batch.seed, dtype=torch.float64)
        k = (u * self.config.masks).long()
        return {"loss": -self._log_prob(_signs(batch.x), k).mean()}

    def _log_prob(self, x: Tensor, k: Tensor) -> Tensor:
        """x (n, d) of -1 and 1, k int64 (1,) -> log p_k (n,)."""
        # the probability of a sign s is sigmoid(s logit)
        return nn.functional.logsigmoid(x * self.network(x, k)).sum(1)

    @torch.no_grad()
    def log_prob(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> log-probability of the binarised picture (n,), nats, exact."""
        check_x(x, self.config.data_shape)
        each = [[self._log_prob(b, k) for k in self._masks()] for b in _signs(x).split(_BLOCK)]
        parts = torch.cat([torch.stack(found) for found in each], dim=1)  # (masks, n)
        return parts.logsumexp(0) - math.log(self.config.masks)

    def _masks(self) -> list[Tensor]:
        """The numbers of all masks, int64 (1,) each."""
        device = next(self.parameters()).device
        return list(torch.arange(self.config.masks, device=device).split(1))

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape) of -1 and 1; a mask for each picture, then pixel by pixel."""
        like = next(self.parameters())
        x = like.new_zeros(n, math.prod(self.config.data_shape))
        filled, _ = self._fill(x, torch.zeros_like(x, dtype=torch.bool), rng)
        return filled.unflatten(1, self.config.data_shape)

    @torch.no_grad()
    def impute(
        self, x: Tensor, mask: Tensor, rng: torch.Generator, *, particles: int = 32
    ) -> Tensor:
        """x (n, *data_shape) with its hidden pixels drawn given the visible ones, -1 or 1.

        mask: bool like x, True where a pixel is visible; these come back as they are. Each row is
        filled in `particles` times along orders drawn evenly; one is kept, as likely as the visible
        pixels are given what came before them in its order. That is a draw of p(hidden | visible)
        where all visible pixels come first, and tends to one with many particles elsewhere.
        """
        check_x(x, self.config.data_shape)
        _check_mask(mask, x)
        if particles < 1:
            raise InputError(f"particles must be a whole number of at least 1, got {particles}")
        known = mask.flatten(1)
        repeated = known.repeat_interleave(particles, 0)
        filled, log_weight = self._fill(_signs(x).repeat_interleave(particles, 0), repeated, rng)
        gumbel = -torch.rand(len(log_weight), generator=rng, device=rng.device).log_().neg_().log_()
        best = (log_weight + gumbel.to(log_weight)).view(len(x), particles).argmax(1)
        kept = filled.view(len(x), particles, -1)[torch.arange(len(x), device=x.device), best]
        return torch.where(known, x.flatten(1), kept).view_as(x)

    def _fill(self, x: Tensor, known: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows x (n, d) with pixels that are not `known` drawn along an order drawn for each row,
        and the log-probability (n,) of the known ones, each given those before it."""
        shape, device = x.shape, rng.device
        chosen = torch.randint(self.config.masks, shape[:1], generator=rng, device=device)
        u = torch.rand(shape, generator=rng, device=device).to(x)
        x, log_weight = x.clone(), x.new_zeros(len(x))
        for k in self._masks():
            rows = (chosen.to(x.device) == k).nonzero()[:, 0]
            for part in rows.split(_BLOCK):
                drawn = self._fill_along(x[part], known[part], u[part], k)
                x[part], log_weight[part] = drawn
        return x, log_weight

    def _fill_along(self, x: Tensor, known: Tensor, u: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """`_fill` along the order of mask k, with uniform numbers u (n, d)."""
        log_weight = x.new_zeros(len(x))
        for i in self.network.orders.index_select(0, k)[0].argsort().tolist():
            logit = self.network(x, k)[:, i]
            drawn = torch.where(u[:, i] < logit.sigmoid(), 1.0, -1.0).to(x)
            x[:, i] = torch.where(known[:, i], x[:, i], drawn)
            step = nn.functional.logsigmoid(x[:, i] * logit)
            log_weight += torch.where(known[:, i], step, 0.0)
        return x, log_weight


def _signs(x: Tensor) -> Tensor:
    """(n, *data_shape) -> (n, d) of -1 and 1; 1 is ink."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype).flatten(1)


def _check_mask(mask: Tensor, x: Tensor) -> None:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != x.shape:
        came = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        kind = f"{mask.dtype} ".removeprefix("torch.") if isinstance(mask, Tensor) else ""
        raise InputError(f"mask must be bool {tuple(x.shape)}, got {kind}{came}")
