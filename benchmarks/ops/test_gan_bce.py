"""discriminator_bce and generator_bce, an element a logit. Goodfellow 2014, section 3."""

import torch
import torch.nn.functional as F

from benchmarks.operation import BOTH, FORWARD, Operation


def logits(count):
    def inputs(elements, generator):
        return tuple(torch.randn(elements // count, generator=generator) for _ in range(count))

    return inputs


def by_logsigmoid(real, fake):
    return (-F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean(),)


def by_softplus(real, fake):
    return (F.softplus(-real).mean() + F.softplus(fake).mean(),)


def by_cross_entropy(real, fake):
    bce = F.binary_cross_entropy_with_logits
    return (bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake)),)


FLOORS = {FORWARD: 4, BOTH: 8}  # the logit read, its gradient written in the same pass

OPERATIONS = [
    Operation(
        name="discriminator_bce",
        floors=FLOORS,
        inputs=logits(2),
        forms={
            "softplus": by_softplus,
            "logsigmoid": by_logsigmoid,
            "binary_cross_entropy_with_logits": by_cross_entropy,
        },
        seeded=lambda function, real, fake, seed: (function(real=real, fake=fake),),
        differentiable=2,
        large=True,
    ),
    Operation(
        name="generator_bce",
        floors=FLOORS,
        inputs=logits(1),
        forms={
            "softplus": lambda fake: (F.softplus(-fake).mean(),),
            "logsigmoid": lambda fake: (-F.logsigmoid(fake).mean(),),
        },
        seeded=lambda function, fake, seed: (function(fake=fake),),
        differentiable=1,
    ),
]


def test_gan_bce(row):
    row()
