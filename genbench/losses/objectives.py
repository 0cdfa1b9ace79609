"""Adversarial objectives as functions of logits: what the critic and the generator minimise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from genbench import ops


@dataclass(frozen=True)
class Objective:
    """Two losses of the logits at real and generated points, each (n, ...) -> 0-d.

    `paired` objectives compare row i of both, so they need as many real as generated points.
    """

    critic: Callable[..., Tensor]  # critic(real=, fake=)
    generator: Callable[..., Tensor]  # generator(real=, fake=)
    paired: bool = False


def _least_squares_critic(*, real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def _relativistic(*, ahead: Tensor, behind: Tensor) -> Tensor:
    return F.softplus(behind - ahead).mean()


# Goodfellow et al. 2014 (arXiv 1406.2661), section 3: the generator maximises log D(G(z)).
NON_SATURATING = Objective(
    critic=lambda *, real, fake: ops.discriminator_bce(real=real, fake=fake),
    generator=lambda *, real, fake: ops.generator_bce(fake=fake),
)

# Mao et al. 2017 (arXiv 1611.04076), equation 9: a = 0, b = c = 1.
LEAST_SQUARES = Objective(
    critic=_least_squares_critic,
    generator=lambda *, real, fake: 0.5 * (fake - 1).square().mean(),
)

# Arjovsky, Chintala, Bottou 2017 (arXiv 1701.07875), equation 2; needs a Lipschitz critic.
WASSERSTEIN = Objective(
    critic=lambda *, real, fake: fake.mean() - real.mean(),
    generator=lambda *, real, fake: -fake.mean(),
)

# Jolicoeur-Martineau 2018 (arXiv 1807.00734), the pairing form, as in Huang et al. 2024.
RELATIVISTIC = Objective(
    critic=lambda *, real, fake: _relativistic(ahead=real, behind=fake),
    generator=lambda *, real, fake: _relativistic(ahead=fake, behind=real),
    paired=True,
)
