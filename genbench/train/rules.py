"""Optimiser updates as formulas of tensors, equal to torch.optim's: to trace and to differentiate.

Kingma and Ba 2015, arXiv 1412.6980 (Adam); Tieleman and Hinton 2012 (RMSprop); Sutskever 2013 (SGD
with momentum). What depends on the step's number comes in as `numbers`: a compiled step takes them
as inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from genbench.catalog import unknown_name
from genbench.errors import InputError
from genbench.protocol import OptimizerSpec

Slots = dict[str, Tensor]  # an optimiser's memory, each like the parameters, by torch's name


class Rule(Protocol):
    """One optimiser with its constants."""

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of its memory, which starts at zero."""
        ...

    def numbers(self, rate: float, count: int) -> tuple[float, ...]:
        """What update `count` (1, 2, ...) at this learning rate is made with."""
        ...

    def update(
        self, p: Tensor, g: Tensor, slots: Slots, numbers: Sequence[Tensor | float]
    ) -> tuple[Tensor, Slots]:
        """New parameters and memory; p, g and each slot of one shape."""
        ...


@dataclass(frozen=True)
class Adam:
    """p - rate m_hat / (sqrt(v_hat) + eps), algorithm 1; weight decay is L2's."""

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    slots = ("exp_avg", "exp_avg_sq")

    def numbers(self, rate: float, count: int) -> tuple[float, ...]:
        beta1, beta2 = self.betas
        return rate / (1 - beta1**count), math.sqrt(1 - beta2**count)

    def update(
        self, p: Tensor, g: Tensor, slots: Slots, numbers: Sequence[Tensor | float]
    ) -> tuple[Tensor, Slots]:
        beta1, beta2 = self.betas
        rate, correction = numbers
        g = _decayed(g, p, self.weight_decay)
        m = slots["exp_avg"] + (1 - beta1) * (g - slots["exp_avg"]) if beta1 else g
        v = beta2 * slots["exp_avg_sq"] + (1 - beta2) * g * g
        new = p - rate * (m / (_root(v) / correction + self.eps))
        return new, {"exp_avg": m, "exp_avg_sq": v}


@dataclass(frozen=True)
class AdamW:
    """Adam whose weight decay shrinks the weights themselves (Loshchilov and Hutter 2019)."""

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 1e-2
    slots = Adam.slots

    def numbers(self, rate: float, count: int) -> tuple[float, ...]:
        return *Adam(self.betas).numbers(rate, count), 1 - rate * self.weight_decay

    def update(
        self, p: Tensor, g: Tensor, slots: Slots, numbers: Sequence[Tensor | float]
    ) -> tuple[Tensor, Slots]:
        *moments, kept = numbers
        return Adam(self.betas, self.eps).update(p * kept, g, slots, moments)


@dataclass(frozen=True)
class Adagrad:
    """p - rate g / (sqrt(v) + eps), v the sum of all g^2 (Duchi et al. 2011)."""

    lr_decay: float = 0.0
    eps: float = 1e-10
    weight_decay: float = 0.0
    slots = ("sum",)

    def numbers(self, rate: float, count: int) -> tuple[float, ...]:
        return (rate / (1 + (count - 1) * self.lr_decay),)

    def update(
        self, p: Tensor, g: Tensor, slots: Slots, numbers: Sequence[Tensor | float]
    ) -> tuple[Tensor, Slots]:
        (rate,) = numbers
        g = _decayed(g, p, self.weight_decay)
        v = slots["sum"] + g * g
        return p - rate * (g / (_root(v) + self.eps)), {"sum": v}


@dataclass(frozen=True)
class SGD:
    """p - rate b, b = momentum b + (1 - dampening) g, where the first b is g."""

    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum_buffer",) if self.momentum else ()

    def numbers(self, rate: float, count: int) -> tuple[float, ...]:
        return rate, 1.0 if count == 1 else 1 - self.dampening

    def update(
        self, p: Tensor, g: Tensor, slots: Slots, numbers: Sequence[Tensor | float]
    ) -> tuple[Tensor, Slots]:
        rate, share = numbers
        g = _decayed(g, p, self.weight_decay)
        if not self.momentum:
            return p - rate * g, {}
        b = self.momentum * slots["momentum_buffer"] + share * g
        step = g + self.momentum * b if self.nesterov else b
        return p - rate * step, {"momentum_buffer": b}


@dataclass(frozen=True)
class RMSprop:
    """p - rate g / (sqrt(v) + eps), v less the squared mean of g where centred; with momentum."""

    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        more = ("momentum_buffer",) * (self.momentum > 0) + ("grad_avg",) * self.centered
        return "square_avg", *more

    def numbers(self, rate: float, count: int) -> tuple[float, ...]:
        return (rate,)

    def update(
        self, p: Tensor, g: Tensor, slots: Slots, numbers: Sequence[Tensor | float]
    ) -> tuple[Tensor, Slots]:
        (rate,) = numbers
        g = _decayed(g, p, self.weight_decay)
        v = self.alpha * slots["square_avg"] + (1 - self.alpha) * g * g
        kept, variance = {"square_avg": v}, v
        if self.centered:
            mean = self.alpha * slots["grad_avg"] + (1 - self.alpha) * g
            kept["grad_avg"], variance = mean, v - mean * mean
        step = g / (_root(variance) + self.eps)
        if self.momentum:
            step = self.momentum * slots["momentum_buffer"] + step
            kept["momentum_buffer"] = step
        return p - rate * step, kept


RULES: Mapping[str, type] = {
    "adam": Adam,
    "adamw": AdamW,
    "adagrad": Adagrad,
    "sgd": SGD,
    "rmsprop": RMSprop,
}


def make_rule(spec: OptimizerSpec) -> Rule:
    """The formula of `spec`; raises InputError for an optimiser or option that has none."""
    if spec.name not in RULES:
        raise unknown_name("optimizer", spec.name, RULES)
    kind = RULES[spec.name]
    known = [field.name for field in fields(kind)]
    for option in spec.options:
        if option not in known:
            raise InputError(
                f"optimizer: {spec.name}'s formula knows {', '.join(known)}, got '{option}'"
            )
    return kind(**spec.options)


def _decayed(g: Tensor, p: Tensor, weight_decay: float) -> Tensor:
    return g + weight_decay * p if weight_decay else g


def _root(v: Tensor) -> Tensor:
    """sqrt(v), whose slope at 0 counts as 0: there it is infinite, times a gradient of 0."""
    if not v.requires_grad:
        return v.sqrt()
    zero = v == 0
    return torch.where(zero, 0, torch.where(zero, 1, v).sqrt())
