"""Invariants of the GAN: shapes, whose gradients, the same numbers for the same seed."""

from typing import Any

import pytest
import torch

from genbench import create_model
from genbench.errors import InputError
from genbench.protocol import Batch, Model

LOSSES = ["non_saturating", "least_squares", "wasserstein_gp", "relativistic+r1+r2"]


def small(**config) -> Any:
    torch.manual_seed(0)
    return create_model("gan", data_shape=(2,), width=8, depth=2, **config)


def batch(n=5, seed=3):
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(1))
    return Batch(x=x, seed=torch.tensor([seed]))


def test_it_is_a_model():
    assert isinstance(small(), Model)
    assert small(critic_steps=3).phases == ("critic", "critic", "critic", "generator")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("phase", ["critic", "generator"])
@pytest.mark.parametrize("n", [1, 5])
def test_gradients_are_finite_and_only_the_phase_needs_them(loss, phase, n):
    model = small(loss=loss)
    value = model.loss(batch(n), phase)["loss"]
    assert value.shape == ()
    mine = list(model.phase_parameters(phase))
    found = torch.autograd.grad(value, mine, allow_unused=True)
    # the logits' offset cancels in relativistic and Wasserstein losses
    assert all(g is None or g.isfinite().all() for g in found)
    assert sum(g.abs().sum().item() for g in found if g is not None) > 0
    if phase == "critic":
        other = list(model.phase_parameters("generator"))
        again = model.loss(batch(n), phase)["loss"]
        assert all(g is None for g in torch.autograd.grad(again, other, allow_unused=True))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_seed_is_all_the_randomness(loss):
    model = small(loss=loss)
    first, again, other = (model.loss(batch(seed=s), "critic")["loss"] for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_critic_may_learn_at_its_own_rate():
    def rates(**config):
        model = small(learning_rate=1e-4, **config)
        return [model.optimizer(phase).learning_rate for phase in ("critic", "generator")]

    assert rates() == [1e-4, 1e-4] and rates(critic_learning_rate=2e-4) == [2e-4, 1e-4]


def test_samples_repeat_and_have_the_data_shape():
    model = create_model("gan", data_shape=(3, 4, 4), width=8, depth=1)
    draw = [model.sample(6, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert draw[0].shape == (6, 3, 4, 4)
    assert torch.equal(draw[0], draw[1]) and not torch.equal(draw[0], draw[2])


def test_own_networks_and_loss():
    def loss(critic, *, real, fake, phase, seed):
        sign = 1 if phase == "critic" else -1
        return sign * (critic(fake).mean() - critic(real).mean())

    model = small(
        loss=loss,
        generator=lambda: torch.nn.Linear(2, 2),
        critic=lambda: torch.nn.Linear(2, 1),
    )
    assert [type(player) for player in model.children()] == [torch.nn.Linear] * 2
    critic, generator = (model.loss(batch(), p)["loss"] for p in ("critic", "generator"))
    # the same latents in both phases: the game is zero-sum
    assert critic.item() == pytest.approx(-generator.item())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"width": 0}, "width must be a whole number of at least 1, got 0"),
        ({"latent_dim": 2.5}, "latent_dim must be a whole number of at least 1, got 2.5"),
        ({"weight": float("nan")}, "weight must be a finite number of at least 0, got nan"),
        (
            {"critic_learning_rate": 0.0},
            "critic_learning_rate must be a finite number above 0 or none, got 0.0",
        ),
        ({"weight": -1.0}, "weight must be a finite number of at least 0, got -1.0"),
        (
            {"betas": (0.0, 1.0)},
            r"betas must be 2 values, .* of at least 0 and below 1, got \(0.0, 1.0\)",
        ),
        (
            {"betas": (float("nan"), 0.9)},
            "betas must be 2 values, each a finite number of at least 0 and below 1",
        ),
        (
            {"betas": 0.9},
            "betas must be 2 values, each a finite number of at least 0 and below 1, got 0.9",
        ),
        ({"breadth": 3}, "gan has no field 'breadth'; fields: data_shape"),
        ({"loss": "nothing"}, "losses: unknown name 'nothing'"),
    ],
)
def test_a_bad_config_is_refused(config, words):
    with pytest.raises(InputError, match=words):
        create_model("gan", data_shape=(2,), **config)


def test_a_bad_data_shape_is_refused():
    with pytest.raises(
        InputError,
        match=r"data_shape must be a list, each a whole number of at least 1, got \(0,\)",
    ):
        create_model("gan", data_shape=(0,))
