"""Remedies that the GAN keeps for a loss: what the critic sees, clips, draws and how often."""

import copy
import dataclasses

import pytest
import torch
from small_gan import SEED, gan, noted, points, shown

from genbench.errors import InputError
from genbench.losses.adversarial import create_loss
from genbench.protocol import Batch


@pytest.mark.parametrize(
    ("name", "phases", "lookahead"),
    [
        ("hinge", ("critic", "generator"), {}),
        ("hinge+critic3", ("critic", "critic", "critic", "generator"), {}),
        ("hinge+unrolled5", ("critic", "generator"), {"generator": ("critic", 5)}),
        (
            "hinge+critic2+unrolled1",
            ("critic", "critic", "generator"),
            {"generator": ("critic", 1)},
        ),
    ],
)
def test_steps_by_name(name, phases, lookahead):
    model = gan(name)
    assert model.phases == phases and model.lookahead == lookahead


def test_the_name_wins_over_the_config():
    assert gan("hinge", critic_steps=4).phases == ("critic",) * 4 + ("generator",)
    assert gan("hinge+critic1", critic_steps=4).phases == ("critic", "generator")


def test_a_wasserstein_critic_is_clipped_after_its_update_only():
    model = gan("wasserstein=.05")
    before = copy.deepcopy(model.state_dict())
    model.after_update("generator")
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert max(p.abs().max() for p in model.critic.parameters()) > 0.05
    model.after_update("critic")
    for key, value in model.state_dict().items():
        clipped = key.startswith("critic")
        bounded = before[key].clip(-0.05, 0.05) if clipped else before[key]
        assert torch.equal(value, bounded)


@pytest.mark.parametrize("name", ["hinge", "wasserstein_gp", "wasserstein+spectral_norm"])
def test_other_critics_are_not_clipped(name):
    model = gan(name)
    before = copy.deepcopy(model.state_dict())
    model.after_update("critic")
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("phase", ["critic", "generator"])
def test_packing_joins_neighbours(phase):
    x = points(6)
    _, *seen = shown("relativistic+packing3", x, phase, features=6)
    real = seen[0]
    by_hand = torch.stack([torch.cat([x[3 * i], x[3 * i + 1], x[3 * i + 2]]) for i in range(2)])
    assert torch.equal(real, by_hand)
    assert seen[1].shape == (2, 6)


def test_packing_joins_channels_of_images():
    x = points(4, (3, 2, 2))
    _, real, _ = shown("hinge+packing2", x, features=24)
    assert real.shape == (2, 6, 2, 2)
    assert torch.equal(real[1, :3], x[2]) and torch.equal(real[1, 3:], x[3])


def test_the_stock_critic_is_built_for_packed_points():
    model = gan("hinge+packing4+minibatch_std", (3, 2, 2))
    assert model.critic_shape == (13, 2, 2)
    assert model.loss(Batch(x=points(8, (3, 2, 2)), seed=SEED), "critic")["loss"].isfinite()


def test_an_odd_batch_is_refused():
    batch = Batch(x=points(7), seed=SEED)
    with pytest.raises(InputError, match="batch: packing3 needs a multiple of 3 rows, got 7"):
        gan("hinge+packing3").loss(batch, "critic")


def test_a_critic_of_ones_own_gets_packed_points_or_an_explanation():
    def too_small():
        return torch.nn.Linear(2, 1)

    with pytest.raises(InputError) as caught:
        gan("hinge+packing2", critic=too_small)
    words = "critic: with hinge+packing2 it gets rows of shape (4,), made of points of shape (2,)"
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert gan("hinge+packing2", critic=lambda: torch.nn.Linear(4, 1)).critic_shape == (4,)


def test_the_try_leaves_no_trace_in_a_critic():
    def critic():
        return torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))

    norm = gan("hinge+packing2", critic=critic).critic[0]
    assert norm.training and norm.num_batches_tracked == 0


def test_instance_noise_has_its_deviation_and_falls_linearly():
    x = points(20_000)
    clean = shown("hinge", x)[1:]
    for done in (0.0, 0.25, torch.tensor(0.75)):
        _, *noisy = shown("hinge+instance_noise=.4", x, done=done)
        noises = [b - a for a, b in zip(clean, noisy, strict=True)]
        for noise in noises:
            # the deviation of 40,000 draws has a relative standard error of .35 %: 5 of them
            assert noise.std().item() == pytest.approx(0.4 * (1 - float(done)), rel=0.018)
            assert abs(noise.mean().item()) < 5 * 0.4 / 40_000**0.5
        correlation = torch.corrcoef(torch.stack([n.flatten() for n in noises]))[0, 1]
        assert abs(correlation.item()) < 5 / 40_000**0.5


def test_instance_noise_vanishes_at_the_end():
    x = points(5)
    clean, last = shown("hinge", x)[1:], shown("hinge+instance_noise=9", x, done=1.0)[1:]
    assert all(torch.equal(a, b) for a, b in zip(clean, last, strict=True))


def test_instance_noise_reaches_the_generators_turn():
    x = points(5)
    (clean,), (noisy,) = (
        shown(f"hinge{part}", x, "generator")[1:] for part in ("", "+instance_noise")
    )
    assert not torch.equal(clean, noisy)


def test_remedies_leave_the_initial_weights_alone():
    # the same seed gives the same initial weights whatever the remedy: rows stay comparable
    plain = gan("hinge").state_dict()
    for part in ("r1", "instance_noise", "dropout", "uniform_latent", "critic2", "unrolled2"):
        other = gan(f"hinge+{part}").state_dict()
        assert all(torch.equal(plain[key], other[key]) for key in plain)


def test_uniform_latents_fill_the_square():
    def latents(loss, draw):
        model = gan(loss, generator=lambda: torch.nn.Linear(2, 2))
        kept = []
        model.generator.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        draw(model)
        return kept[0]

    batch = Batch(x=points(4000), seed=SEED)
    for draw in (
        lambda model: model.loss(batch, "critic"),
        lambda model: model.sample(4000, torch.Generator().manual_seed(5)),
    ):
        uniform, normal = (latents(f"hinge{part}", draw) for part in ("+uniform_latent", ""))
        # 8000 draws: the extremes come within 5 e-folds of their mean distance 2 / 8000
        assert -1 < uniform.min() < -1 + 5 * 2 / 8000 and 1 > uniform.max() > 1 - 5 * 2 / 8000
        assert uniform.var().item() == pytest.approx(1 / 3, rel=0.05)  # 5 standard errors of 1 %
        assert normal.abs().max() > 2


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_active_when_training_and_when_sampling(training):
    model = gan("hinge+dropout").train(training)
    plain = gan("hinge").train(training)
    for player in (model, plain):
        player.loss(Batch(x=points(4), seed=SEED), "generator")
    draws = [model.sample(50, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert not torch.allclose(draws[0], plain.sample(50, torch.Generator().manual_seed(1)))


def blind():
    """A generator that does not see latents: what differs is dropped."""
    first = torch.nn.Linear(2, 16)
    torch.nn.init.zeros_(first.weight)
    return torch.nn.Sequential(first, torch.nn.Linear(16, 2))


def test_the_samplers_generator_draws_the_masks():
    model = gan("hinge+dropout", generator=blind)
    draws = [model.sample(5, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_samples_are_made_in_blocks(monkeypatch):
    model, sizes = gan("hinge").eval(), []
    whole = model.sample(40, torch.Generator().manual_seed(1))
    model.generator.register_forward_hook(lambda _, inputs, found: sizes.append(len(found)))
    monkeypatch.setattr("genbench.models.adversarial.gan.BLOCK_ENTRIES", 16 * 2)
    # the same latents; float32 products of other sizes
    assert torch.allclose(model.sample(40, torch.Generator().manual_seed(1)), whole, atol=1e-6)
    assert sizes == [16, 16, 8]
    dropped = gan("hinge+dropout", generator=blind).sample(40, torch.Generator().manual_seed(1))
    assert not torch.equal(dropped[:16], dropped[16:32])  # each has masks of its own


def test_dropout_draws_from_the_batch_alone():
    model = gan("hinge+dropout")
    values = []
    for key, disturb in ((3, 0), (3, 1), (4, 0)):
        torch.manual_seed(disturb)
        batch = Batch(x=points(6), seed=torch.tensor([key]))
        state = torch.get_rng_state()
        values.append(model.loss(batch, "generator")["loss"])
        assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(values[0], values[1]) and not torch.equal(values[0], values[2])


@pytest.mark.parametrize("part", ["gp", "dragan"])
@pytest.mark.parametrize(("labels", "count"), [("noisy_labels+flips", 4), ("flips", 2)])
def test_no_two_draws_share_their_noise(monkeypatch, part, labels, count):
    model = gan(f"least_squares+{part}+{labels}+instance_noise+dropout+uniform_latent")
    drawn = noted(monkeypatch)
    model.loss(Batch(x=points(4), seed=SEED), "critic")
    # latents, masks of two layers, instance noise of both kinds of points, the penalty's points
    assert len(drawn) == 1 + 2 + 2 + 1 + count and len(set(drawn)) == len(drawn)


def test_a_copied_model_keeps_its_own_dropout():
    model = gan("hinge+dropout")
    copied = copy.deepcopy(model)
    batch = Batch(x=points(6), seed=SEED)
    assert torch.equal(model.loss(batch, "critic")["loss"], copied.loss(batch, "critic")["loss"])
    hooks = copied.generator.layers[2]._forward_pre_hooks.values()
    assert [hook.dropout for hook in hooks] == [copied._dropout] != [model._dropout]


def test_spectral_norm_bounds_the_critics_slope():
    model = gan("hinge+spectral_norm")
    with torch.no_grad():
        for parameter in model.critic.parameters():
            parameter *= 30
    for _ in range(50):  # power iterations
        model.loss(Batch(x=points(4), seed=SEED), "critic")
    x = points(200).requires_grad_()
    (slope,) = torch.autograd.grad(model.critic(x).sum(), x)
    # three layers of norm 1 and ReLU; 50 iterations leave less than 2 % of the norm unseen
    assert slope.norm(dim=1).max().item() < 1.02


@pytest.mark.parametrize(
    "name",
    [
        "hinge+minibatch_std+r1+r2",
        "wasserstein_gp+minibatch_std",
        "minimax+spectral_norm+dragan",
        "least_squares+packing2+gp_one_sided+noisy_labels+flips",
        "relativistic+packing4+r1+r2+minibatch_std+spectral_norm+dropout+instance_noise",
    ],
)
@pytest.mark.parametrize("alike", [False, True])
def test_second_derivatives_are_finite(name, alike):
    """Also where all points of a batch are one, so that its deviation and the slopes are 0."""
    model = gan(name, weight=1.0)
    x = torch.zeros(8, 2) if alike else points(8)
    for phase in ("critic", "generator"):
        loss = model.loss(Batch(x=x, seed=SEED), phase)["loss"]
        found = torch.autograd.grad(loss, list(model.phase_parameters(phase)), allow_unused=True)
        assert all(g is None or g.isfinite().all() for g in found)
        assert any(g is not None and g.abs().sum() > 0 for g in found)


def test_remedies_do_not_change_the_loss_itself():
    loss, plain = create_loss("hinge+packing2+dropout"), create_loss("hinge")
    assert dataclasses.replace(plain, name=loss.name, remedies=loss.remedies) == loss
