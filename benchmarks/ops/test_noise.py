"""Philox noise in float32, uniform and normal."""

import pytest
import torch

from genbench import ops

SEED = torch.tensor([1])


def function(law, variant):
    if variant == "fused":
        return getattr(ops, law)
    reference = getattr(ops.reference, law)
    if variant == "reference":
        return reference
    return torch.compile(reference, fullgraph=True, dynamic=False)


@pytest.mark.parametrize("elements", [2**10, 2**16, 2**20])
@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_noise(time_it, variant, law, elements):
    call = function(law, variant)
    time_it(
        lambda: (call(elements, seed=SEED),),
        (getattr(ops.reference, law)(elements, seed=SEED),),
        group=law,
        elements=elements,
        bytes_per_element=4,
        tolerance=1e-5,  # the agreed bound between float32 evaluations
    )
