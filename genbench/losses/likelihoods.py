"""What a decoder's numbers mean: log p(x | z). Kingma and Welling 2013, 1312.6114, appendix C."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from genbench import ops
from genbench.losses.bounds import normal_log_prob

Name = Literal["bernoulli", "gaussian", "learned_gaussian"]


class Likelihood(Protocol):
    """A law of x (n, *data_shape) given a decoder's output, `given` (n, parts, *data_shape)."""

    @property
    def parts(self) -> int: ...
    def log_prob(self, given: Tensor, x: Tensor) -> Tensor:
        """(n,), nats."""
        ...

    def mean(self, given: Tensor) -> Tensor:
        """(n, *data_shape)."""
        ...

    def draw(self, given: Tensor, seed: Tensor) -> Tensor:
        """(n, *data_shape), drawn from the law."""
        ...


@dataclass(frozen=True)
class Bernoulli:
    """Of x binarised at 0: x >= 0 is a one. given: logits. Means and draws lie in [-1, 1]."""

    parts: int = 1

    def log_prob(self, given: Tensor, x: Tensor) -> Tensor:
        logits = given[:, 0]
        ink = (x >= 0).to(logits.dtype)
        return -binary_cross_entropy_with_logits(logits, ink, reduction="none").flatten(1).sum(1)

    def mean(self, given: Tensor) -> Tensor:
        return torch.tanh(given[:, 0] / 2)  # 2 sigmoid - 1

    def draw(self, given: Tensor, seed: Tensor) -> Tensor:
        logits = given[:, 0]
        u = ops.uniform(logits.shape, seed=seed, dtype=logits.dtype)
        return 2 * (u < logits.sigmoid()).to(logits.dtype) - 1


@dataclass(frozen=True)
class Gaussian:
    """N(mean, std^2 I). given: the mean."""

    std: float
    parts: int = 1

    def log_prob(self, given: Tensor, x: Tensor) -> Tensor:
        mean = given[:, 0]
        return normal_log_prob(x, mean, torch.full_like(mean, 2 * math.log(self.std)))

    def mean(self, given: Tensor) -> Tensor:
        return given[:, 0]

    def draw(self, given: Tensor, seed: Tensor) -> Tensor:
        mean = given[:, 0]
        return mean + self.std * ops.normal(mean.shape, seed=seed, dtype=mean.dtype)


@dataclass(frozen=True)
class LearnedGaussian:
    """N(mean, diag(sigma^2)), all of it the decoder's. given: the mean, and what bounds ln sigma^2.

    least_std: which sigma exceeds; without it the density of a constant pixel has no bound.
    """

    least_std: float
    parts: int = 2

    def log_prob(self, given: Tensor, x: Tensor) -> Tensor:
        mean, logvar = self._moments(given)
        return normal_log_prob(x, mean, logvar)

    def mean(self, given: Tensor) -> Tensor:
        return given[:, 0]

    def draw(self, given: Tensor, seed: Tensor) -> Tensor:
        mean, logvar = self._moments(given)
        return mean + (logvar / 2).exp() * ops.normal(mean.shape, seed=seed, dtype=mean.dtype)

    def _moments(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and ln sigma^2, each (n, *data_shape)."""
        least = 2 * math.log(self.least_std)
        return given[:, 0], least + softplus(given[:, 1] - least)


def make_likelihood(name: Name, *, std: float) -> Likelihood:
    """std: of "gaussian"; the least one of "learned_gaussian"; "bernoulli" has none."""
    if name == "bernoulli":
        return Bernoulli()
    return Gaussian(std) if name == "gaussian" else LearnedGaussian(std)


def dequantise(x: Tensor, levels: int | None, seed: Tensor) -> Tensor:
    """x of `levels` evenly spaced values in [-1, 1], each spread uniformly over its own interval.

    None: x itself. Uria, Murray and Larochelle 2013, arXiv 1306.0186, section 4.
    """
    if levels is None:
        return x
    u = ops.uniform(x.shape, seed=seed, dtype=x.dtype)
    return x + (u - 0.5) * (2 / (levels - 1))
