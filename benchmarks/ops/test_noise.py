"""uniform and normal: Philox, fused and by formula, beside torch's own generator."""

import torch

from benchmarks.operation import FORWARD, Noise, Operation


def inputs(elements, generator):
    return (torch.zeros(elements),)  # for its shape alone


def operation(law, eager):
    def form(x, noise=None):
        return (eager(x) if noise is None else noise,)

    return Operation(
        name=law,
        floors={FORWARD: 4},  # the noise written
        inputs=inputs,
        forms={f"torch.{eager.__name__}": form},
        seeded=lambda function, x, seed: (function(x.shape, seed=seed, dtype=x.dtype),),
        noise=Noise(law, lambda x: x.shape, lambda outputs, x: outputs[0]),
        directions=(FORWARD,),
    )


OPERATIONS = [operation("uniform", torch.rand_like), operation("normal", torch.randn_like)]


def test_noise(row):
    row()
