"""gradient_norm_penalty on gradients (B, 256). Gulrajani 2017, equation 3."""

import torch

from benchmarks.operation import BOTH, FORWARD, Operation

SAMPLE = 256


def inputs(elements, generator):
    # Norms near 4: bfloat16 has too few digits to tell those near the center 1 from it.
    return (torch.randn(elements // SAMPLE, SAMPLE, generator=generator) / 4,)


def by_vector_norm(gradients):
    return ((torch.linalg.vector_norm(gradients, dim=1) - 1).square().mean(),)


def by_sum_of_squares(gradients):
    return ((gradients.square().sum(1).sqrt() - 1).square().mean(),)


OPERATIONS = [
    Operation(
        name="gradient_norm_penalty",
        floors={FORWARD: 4, BOTH: 8},  # the gradient read, its slope written in the same pass
        inputs=inputs,
        forms={"sum of squares": by_sum_of_squares, "vector_norm": by_vector_norm},
        seeded=lambda function, gradients, seed: (function(gradients),),
        differentiable=1,
    )
]


def test_gradient_penalty(row):
    row()
