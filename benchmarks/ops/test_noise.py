"""Noise in float32, uniform and normal: torch's own generator, and Philox three ways."""

import pytest
import torch

from genbench import ops

SEED = torch.tensor([1])
EAGER = {"uniform": torch.rand, "normal": torch.randn}


def function(law, variant):
    if variant == "fused":
        return getattr(ops, law)
    reference = getattr(ops.reference, law)
    if variant == "reference":
        return reference
    return torch.compile(reference, fullgraph=True, dynamic=False)


def moments(x):
    return torch.stack([x.mean(), x.square().mean()])


@pytest.mark.parametrize("elements", [2**10, 2**16, 2**20])
@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_noise(time_it, variant, law, elements):
    truth = getattr(ops.reference, law)(elements, seed=SEED)
    row = {"group": law, "elements": elements, "bytes_per_element": 4}
    if variant == "eager":
        # other noise of the same law: moments agree within seven standard errors
        draw, tolerance = EAGER[law], 10 / elements**0.5
        found = (moments(draw(elements, generator=torch.Generator().manual_seed(0))),)
        time_it(
            lambda: (draw(elements),), (moments(truth),), found=found, tolerance=tolerance, **row
        )
        return
    call = function(law, variant)
    # 1e-5: the agreed bound between float32 evaluations
    time_it(lambda: (call(elements, seed=SEED),), (truth,), tolerance=1e-5, **row)
