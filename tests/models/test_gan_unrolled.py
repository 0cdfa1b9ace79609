"""What unrolling needs of a loss: a graph from the critic's terms to the generator's weights."""

import pytest
import torch
from small_gan import SEED, gan, points

from genbench.protocol import Batch


@pytest.mark.parametrize(
    "name",
    ["minimax", "hinge+r1+r2", "wasserstein_gp", "relativistic+gp_one_sided", "hinge+dragan"],
)
def test_an_unrolled_critics_loss_follows_the_generator(name):
    """Its derivative by the generator's weights is that of differences; else there is none."""
    model = gan(f"{name}+packing2+dropout+instance_noise", weight=1.0).double()
    x = points(8).double()
    weights = list(model.generator.parameters())

    def loss(unrolled=True):
        return model.loss(Batch(x=x, seed=SEED, unrolled=unrolled), "critic")["loss"]

    found = torch.autograd.grad(loss(), weights)
    plain = torch.autograd.grad(
        loss(False), weights + list(model.critic.parameters()), allow_unused=True
    )
    assert all(g is None for g in plain[: len(weights)])
    for weight, gradient in zip(weights, found, strict=True):
        values = []
        for step in (1e-6, -1e-6):
            weight.data.view(-1)[0] += step
            values.append(loss().item())
            weight.data.view(-1)[0] -= step
        difference = (values[0] - values[1]) / 2e-6
        # float64: rounding of 1e-16 over 1e-6, and a third derivative times 1e-12
        assert gradient.flatten()[0].item() == pytest.approx(difference, abs=1e-7, rel=1e-6)
