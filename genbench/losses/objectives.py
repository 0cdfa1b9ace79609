"""Adversarial objectives as functions of logits: what the critic and the generator minimise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from genbench import ops
from genbench.losses.labels import Target, drawn_targets


@dataclass(frozen=True)
class Objective:
    """Two losses of the logits at real and generated points, each (n, ...) -> 0-d.

    `paired` objectives compare row i of both, so they need as many real as generated points. The
    critic's loss of a `labelled` one also takes the targets of `ops.discriminator_bce`, and a seed.
    """

    critic: Callable[..., Tensor]  # critic(real=, fake=)
    generator: Callable[..., Tensor]  # generator(real=, fake=)
    paired: bool = False
    labelled: bool = False


def _least_squares_critic(
    *,
    real: Tensor,
    fake: Tensor,
    real_target: Target = 1.0,
    fake_target: Target = 0.0,
    flip_probability: float = 0.0,
    seed: Tensor | None = None,
) -> Tensor:
    draw = {"flip_probability": flip_probability, "seed": seed}
    real_t = drawn_targets(real, real_target, stream=0, **draw)
    fake_t = drawn_targets(fake, fake_target, stream=2, **draw)
    return 0.5 * (real - real_t).square().mean() + 0.5 * (fake - fake_t).square().mean()


def _relativistic(*, ahead: Tensor, behind: Tensor) -> Tensor:
    return F.softplus(behind - ahead).mean()


# Goodfellow et al. 2014 (arXiv 1406.2661), equation 1: the generator minimises log(1 - D(G(z))).
MINIMAX = Objective(
    critic=ops.discriminator_bce,
    generator=lambda *, real, fake: ops.generator_bce(fake=fake, saturating=True),
    labelled=True,
)

# The same, section 3: the generator maximises log D(G(z)).
NON_SATURATING = Objective(
    critic=ops.discriminator_bce,
    generator=lambda *, real, fake: ops.generator_bce(fake=fake),
    labelled=True,
)

# Mao et al. 2017 (arXiv 1611.04076), equation 9: a = 0, b = c = 1.
LEAST_SQUARES = Objective(
    critic=_least_squares_critic,
    generator=lambda *, real, fake: 0.5 * (fake - 1).square().mean(),
    labelled=True,
)

# Arjovsky, Chintala, Bottou 2017 (arXiv 1701.07875), equation 2; needs a Lipschitz critic.
WASSERSTEIN = Objective(
    critic=lambda *, real, fake: fake.mean() - real.mean(),
    generator=lambda *, real, fake: -fake.mean(),
)

# Lim and Ye 2017 (arXiv 1705.02894), equations 9 and 10; Miyato et al. 2018 (arXiv 1802.05957),
# equations 16 and 17.
HINGE = Objective(
    critic=lambda *, real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
    generator=lambda *, real, fake: -fake.mean(),
)

# Jolicoeur-Martineau 2018 (arXiv 1807.00734), the pairing form, as in Huang et al. 2024.
RELATIVISTIC = Objective(
    critic=lambda *, real, fake: _relativistic(ahead=real, behind=fake),
    generator=lambda *, real, fake: _relativistic(ahead=fake, behind=real),
    paired=True,
)
