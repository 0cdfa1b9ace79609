"""Penalties sample by sample, where they are taken and how strong; and labels that are drawn."""

import pytest
import torch

from genbench.losses import create_loss
from genbench.losses.labels import drawn_targets

SEED = torch.tensor([5])
PENALTIES = ("r1", "r2", "gp", "gp_one_sided", "dragan")


def draw(*shape, key=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(key), dtype=torch.float64)


def critic(shape):
    """A smooth critic whose slope differs from point to point."""
    weight, curve = draw(*shape, key=7), draw(*shape, key=8)
    return lambda x: (x * weight + x.square() * curve).flatten(1).sum(1, keepdim=True)


def by_hand(name, weight, slope):
    """The paper's formula at one point, given the slope's norm."""
    if name in ("r1", "r2"):
        return weight / 2 * slope**2
    excess = max(0.0, slope - 1) if name == "gp_one_sided" else slope - 1
    return weight * excess**2


def penalised(name, shape, real, fake):
    """(the penalty's term, the points at which the critic was asked, in order)."""
    asked, plain = [], critic(shape)

    def watched(x):
        asked.append(x.detach())
        return plain(x)

    loss = create_loss(f"hinge+{name}", weight=0.7)
    terms = loss(watched, real=real, fake=fake, phase="critic", seed=SEED)
    return terms[name].item(), asked


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("shape", [(3,), (2, 4, 4)])
def test_a_penalty_is_the_mean_of_its_samples(name, shape):
    real, fake = draw(5, *shape, key=1), draw(5, *shape, key=2)
    found, asked = penalised(name, shape, real, fake)
    points = real if name == "r1" else fake if name == "r2" else asked[-1]
    slopes = draw(*shape, key=7) + 2 * points * draw(*shape, key=8)  # (5, *shape)
    expected = sum(by_hand(name, 0.7, slope.norm().item()) for slope in slopes) / 5
    assert found == pytest.approx(expected)


def test_dragan_stays_around_the_real_points():
    wide = torch.tensor([3.0, 0.1])
    real, fake = wide * draw(4000, 2, key=1) + 1, draw(4000, 2, key=2) + 50
    _, asked = penalised("dragan", (2,), real, fake)
    delta = asked[-1] - real
    # half the whole batch's deviation in both, 4,000 draws: 4 relative standard errors of 1.1 %
    assert delta.std(0).tolist() == pytest.approx([0.5 * real.std().item()] * 2, rel=0.045)
    assert abs(delta.mean().item()) < 5 * delta.std().item() / 8000**0.5
    assert abs(torch.corrcoef(torch.stack([delta[:, 0], real[:, 0]]))[0, 1]) < 5 / 4000**0.5


def test_one_sided_leaves_gentle_slopes_alone():
    real, fake = draw(6, 2, key=1), draw(6, 2, key=2)
    for scale, expected in ((0.5, 0.0), (1.0, 0.0), (3.0, 0.7 * 4.0)):
        loss = create_loss("hinge+gp_one_sided", weight=0.7)
        terms = loss(
            lambda x, scale=scale: scale * x[:, :1], real=real, fake=fake, phase="critic", seed=SEED
        )
        assert terms["gp_one_sided"].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", PENALTIES)
def test_strength_scales_the_term_alone(name):
    real, fake = draw(6, 2, key=1), draw(6, 2, key=2)
    terms = [
        create_loss(f"minimax+{name}={strength}")(
            critic((2,)), real=real, fake=fake, phase="critic", seed=SEED
        )
        for strength in (1, 10)
    ]
    assert terms[1][name].item() == pytest.approx(10 * terms[0][name].item())
    assert terms[0]["objective"] == terms[1]["objective"]


@pytest.mark.parametrize("name", PENALTIES)
def test_the_generators_turn_has_no_penalty(name):
    real, fake = draw(6, 2, key=1), draw(6, 2, key=2)
    turns = [
        create_loss(loss)(critic((2,)), real=real, fake=fake, phase="generator", seed=SEED)
        for loss in (f"minimax+{name}", "minimax")
    ]
    assert turns[0] == turns[1]


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "least_squares"])
@pytest.mark.parametrize(
    ("part", "real_target", "fake_target"),
    [
        ("label_smoothing=.8", 0.8, 0.0),
        # targets enter every loss through their mean, but least squares' value through squares
        ("noisy_labels", 0.8, 0.15),
        ("flips=.1", 0.9, 0.1),
        ("label_smoothing=.8+flips=.1", 0.74, 0.1),
    ],
)
def test_labels_pull_the_critic_to_their_mean(name, part, real_target, fake_target):
    """The slope of the critic's loss by a constant logit, where 40,000 labels are drawn."""
    x = torch.zeros(40_000, 1, dtype=torch.float64)
    real, fake = (torch.tensor(0.3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    table = iter([real, fake])
    loss = create_loss(f"{name}+{part}")
    terms = loss(lambda x: next(table) + x, real=x, fake=x, phase="critic", seed=SEED)
    found = torch.autograd.grad(terms["loss"], [real, fake])
    read = 0.3 if name == "least_squares" else torch.tensor(0.3).sigmoid().item()
    for slope, target in zip(found, (real_target, fake_target), strict=True):
        # a label's deviation is below .4: 5 standard errors of the mean of 40,000
        assert slope.item() == pytest.approx(read - target, abs=0.01)


@pytest.mark.parametrize("name", ["minimax", "least_squares"])
def test_labels_repeat_with_their_seed_and_leave_the_generator_alone(name):
    x, y = draw(9, 2, key=1), draw(9, 2, key=2)

    def terms(part, key, phase="critic"):
        loss = create_loss(name + part)
        return loss(critic((2,)), real=x, fake=y, phase=phase, seed=torch.tensor([key]))["loss"]

    part = "+noisy_labels+flips=.3"
    assert terms(part, 1) == terms(part, 1) != terms(part, 2)
    assert terms(part, 1, "generator") == terms("", 1, "generator")


def test_drawn_targets_fill_their_range_and_flip_their_share():
    logits = torch.zeros(200, 200, dtype=torch.float64)
    found = drawn_targets(logits, (0.7, 0.9), flip_probability=0.25, seed=SEED, stream=0)
    flipped = found < 0.5
    # 40,000 draws: 5 standard errors of .22 %
    assert flipped.double().mean().item() == pytest.approx(0.25, abs=0.011)
    straight = torch.where(flipped, 1 - found, found)
    assert 0.7 < straight.min() < 0.701 and 0.899 < straight.max() < 0.9
    for kind in (flipped, ~flipped):  # which of them flip has nothing to do with their place
        error = 0.2 / (12 * kind.sum().item()) ** 0.5
        assert straight[kind].mean().item() == pytest.approx(0.8, abs=5 * error)
