"""Unrolling against differences: the critic's terms, and the generator's whole gradient."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from small_gan import SEED, gan, noted, points

from genbench.protocol import Batch
from genbench.train.step import Step


def smooth():
    """A critic whose slope bends: that of ReLUs stays as it is where a point moves a little."""
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 4  # slopes above 1, which one side of a penalty asks for
    return network


@pytest.mark.parametrize(
    "name",
    ["minimax", "hinge+r1+r2", "wasserstein_gp", "relativistic+gp_one_sided=.5", "hinge+dragan"],
)
def test_an_unrolled_critics_loss_follows_the_generator(name):
    """Its derivative by the generator's weights is that of differences; else there is none."""
    part = "packing2+dropout+instance_noise"
    model = gan(f"{name}+{part}", weight=1.0, critic=smooth).double()
    x = points(8).double()
    weights = list(model.generator.parameters())

    def loss(unrolled=True):
        return model.loss(Batch(x=x, seed=SEED, unrolled=unrolled), "critic")["loss"]

    assert loss().item() == pytest.approx(loss(False).item(), rel=1e-12)
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


@pytest.mark.parametrize(
    ("name", "error"),
    [
        # float64: rounding of 1e-16 over 1e-6, and a third derivative times 1e-12
        ("minimax+unrolled3", 1e-8),
        ("hinge+unrolled2+r1+r2", 1e-8),
        ("wasserstein_gp+unrolled2", 1e-8),
        ("relativistic+unrolled2+packing2+minibatch_std+dropout+instance_noise+dragan", 1e-8),
        # the power iteration moves with the weights, and its derivative counts as 0 (Miyato 2018)
        ("minimax+unrolled2+spectral_norm", 1e-5),
    ],
)
def test_the_generator_sees_the_updates_it_causes(name, error):
    """Through K updates of the critic's own Adam, in which generated points take part."""
    step = Step(gan(name, weight=1.0).double())
    start, own = step.start(), step.layout.of("generator")
    model: Any = step.module
    ahead = model.lookahead["generator"]
    batch = Batch(x=points(8).double(), seed=SEED, done=0.3)
    numbers = torch.tensor(step.numbers(0, 10)[-1], dtype=torch.float64)

    def loss(flats):
        flats = [flat.detach().requires_grad_(i in own) for i, flat in enumerate(flats)]
        buffers = {name: buffer.clone() for name, buffer in start.buffers.items()}
        state = replace(start, flats=flats, buffers=buffers)
        moved = step.look_ahead(state, batch, ahead, iter(numbers.unbind()))
        return flats, step.loss(moved, buffers, batch, "generator")[0]["loss"]

    flats, value = loss(start.flats)
    (gradient,) = torch.autograd.grad(value, [flats[i] for i in own])
    blocks = [flat.clone() for flat in start.flats]
    weights = blocks[own[0]].view(-1)
    assert gradient.abs().max() > 1e-3
    for place in range(0, len(weights), len(weights) // 5):
        values = []
        for change in (1e-6, -2e-6):
            weights[place] += change
            values.append(loss(blocks)[1].item())
        weights[place] += 1e-6
        difference = (values[0] - values[1]) / 2e-6
        assert gradient.view(-1)[place].item() == pytest.approx(difference, abs=error)


def test_looking_ahead_moves_nothing_that_stays():
    """The power iterations of updates that are thrown away are thrown away with them."""
    step = Step(gan("hinge+unrolled2+spectral_norm"))
    start = step.start()
    before = [tensor.clone() for tensor in start.tensors()]
    assert len(start.buffers) == 6  # two vectors a layer
    numbers = iter(step.numbers(0, 10)[-1])
    step.look_ahead(start, Batch(x=points(8), seed=SEED), ("critic", 2), numbers)
    assert all(torch.equal(a, b) for a, b in zip(before, start.tensors(), strict=True))


def test_every_step_ahead_draws_for_itself(monkeypatch):
    labels = "noisy_labels+flips+instance_noise+dropout"
    step = Step(gan(f"least_squares+unrolled3+gp+{labels}"))
    start, batch = step.start(), Batch(x=points(8), seed=SEED)
    drawn = noted(monkeypatch)
    step.loss(start.flats, start.buffers, batch, "generator")
    own = len(drawn)
    step.look_ahead(start, batch, ("critic", 3), iter(step.numbers(0, 10)[-1]))
    # latents, two masks and two noises; a critic's step has its penalty's points and 4 of labels
    assert (own, len(drawn)) == (5, 5 + 3 * 10) and len(set(drawn)) == len(drawn)
