"""interpolate on samples of 256 numbers, beside torch.lerp. Gulrajani 2017, algorithm 1."""

import torch

from benchmarks.operation import BOTH, FORWARD, Noise, Operation

SAMPLE = 256


def inputs(elements, generator):
    shape = (elements // SAMPLE, SAMPLE)
    return tuple(torch.randn(shape, generator=generator) for _ in range(2))


def lerp(real, fake, noise=None):
    alpha = torch.rand_like(real[:, :1]) if noise is None else noise
    return (torch.lerp(fake, real, alpha),)


def alpha_of(outputs, real, fake):
    """Least squares along each sample's segment, (B, 1)."""
    way = real - fake
    return ((outputs[0] - fake) * way).sum(1, keepdim=True) / way.square().sum(1, keepdim=True)


OPERATIONS = [
    Operation(
        name="interpolate",
        floors={FORWARD: 12, BOTH: 24},  # real, fake, points; their gradient, and two
        inputs=inputs,
        forms={"torch.lerp": lerp},
        seeded=lambda function, real, fake, seed: (function(real=real, fake=fake, seed=seed),),
        differentiable=2,
        noise=Noise("uniform", lambda real, fake: (len(real), 1), alpha_of),
        directions=(FORWARD,),  # in a penalty no gradient flows into the points
    )
]


def test_interpolate(row):
    row()
