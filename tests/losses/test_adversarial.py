"""Adversarial losses against closed forms on discrete distributions and linear critics."""

import math

import pytest
import torch

from genbench.losses import CATALOG, PARTS, create_loss

# Two distributions over four points, as counts of 12: means over rows are exact expectations.
P, Q = torch.tensor([6, 3, 2, 1]), torch.tensor([1, 2, 3, 6])
SEED = torch.tensor([5])


def rows(counts):
    return torch.repeat_interleave(torch.arange(4, dtype=torch.float64), counts)[:, None]


class Table(torch.nn.Module):
    """A critic that looks its logit up: any function of the four points."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def forward(self, x):
        return self.values[x[:, 0].round().long()]


def terms(name, critic, phase="critic", weight=0.0):
    loss = create_loss(name, weight=weight)
    return loss(critic, real=rows(P), fake=rows(Q), phase=phase, seed=SEED)


def kl(p, q):
    return (p * (p / q).log()).sum()


def test_non_saturating_critic_reaches_log_4_minus_2_jsd():
    p, q = P.double() / 12, Q.double() / 12
    jsd = (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2
    optimal = Table((p / q).log())
    value = terms("non_saturating", optimal)["loss"]
    assert value.item() == pytest.approx(math.log(4) - 2 * jsd.item(), rel=1e-12)


def test_non_saturating_generator_is_minus_log_d():
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0], dtype=torch.float64)
    expected = -(Q.double() / 12 * logits.sigmoid().log()).sum()
    value = terms("non_saturating", Table(logits), "generator")["loss"]
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)


def test_least_squares_optimum():
    p, q = P.double() / 12, Q.double() / 12
    value = terms("least_squares", Table(p / (p + q)))["loss"]
    assert value.item() == pytest.approx(0.5 * (p * q / (p + q)).sum().item(), rel=1e-12)


@pytest.mark.parametrize("shift", [-0.1, 0.1])
def test_least_squares_is_worse_beside_the_optimum(shift):
    p, q = P.double() / 12, Q.double() / 12
    best = terms("least_squares", Table(p / (p + q)))["loss"]
    assert terms("least_squares", Table(p / (p + q) + shift))["loss"] > best


def test_wasserstein_with_the_optimal_line_is_the_distance():
    # Q sits to the right of P: f(x) = -x is optimal in one dimension, and W1 is the gap of means.
    gap = (rows(Q).mean() - rows(P).mean()).item()
    quantiles = (rows(Q) - rows(P)).abs().mean().item()  # both sorted: W1 by quantiles
    value = terms("wasserstein_gp", lambda x: -x, weight=0.0)["objective"].item()
    assert -value == pytest.approx(gap) and gap == pytest.approx(quantiles)


def test_relativistic_pairs_rows():
    logits = torch.tensor([0.5, -0.2, 1.0, 0.1], dtype=torch.float64)
    real, fake = logits[rows(P)[:, 0].long()], logits[rows(Q)[:, 0].long()]
    pairs = list(zip(real.tolist(), fake.tolist(), strict=True))
    critic = sum(math.log(1 + math.exp(f - r)) for r, f in pairs) / 12
    generator = sum(math.log(1 + math.exp(r - f)) for r, f in pairs) / 12
    assert terms("relativistic", Table(logits))["loss"].item() == pytest.approx(critic)
    assert terms("relativistic", Table(logits), "generator")["loss"].item() == pytest.approx(
        generator
    )


def test_relativistic_refuses_unequal_batches():
    loss = create_loss("relativistic")
    critic = torch.nn.Linear(1, 1).double()
    with pytest.raises(ValueError, match="as many rows, got 12 and 5"):
        loss(critic, real=rows(P), fake=rows(Q)[:5], phase="critic", seed=SEED)


@pytest.mark.parametrize("name", ["r1", "r2"])
def test_zero_centred_penalty_of_a_quadratic_critic(name):
    # D(x) = x^2 / 2 has gradient x: gamma / 2 E x^2, at the real or at the generated points
    points = rows(P if name == "r1" else Q)
    value = terms(f"non_saturating+{name}", lambda x: x.square().sum(1) / 2, weight=0.3)[name]
    assert value.item() == pytest.approx(0.15 * points.square().mean().item())


def test_gradient_penalty_of_a_linear_critic():
    critic = torch.nn.Linear(3, 1).double()
    loss = create_loss("wasserstein_gp", weight=10.0)
    x = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    value = loss(critic, real=x, fake=-x, phase="critic", seed=SEED)["gp"]
    assert value.item() == pytest.approx(10 * (critic.weight.norm().item() - 1) ** 2)


def test_an_unknown_phase_is_refused():
    with pytest.raises(ValueError, match="phase must be critic or generator, got 'encoder'"):
        terms("least_squares", torch.nn.Linear(1, 1).double(), phase="encoder")


def test_terms_add_up_and_reach_the_critic():
    critic = torch.nn.Linear(1, 1).double()
    found = terms("relativistic+r1+r2", critic, weight=0.5)
    assert set(found) == {"loss", "objective", "r1", "r2"}
    parts = found["objective"] + found["r1"] + found["r2"]
    assert found["loss"].item() == pytest.approx(parts.item())
    found["loss"].backward()
    assert critic.weight.grad is not None and critic.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "name", [*CATALOG, *(f"minimax+{part}" for part in PARTS if not part.endswith("N"))]
)
def test_every_name_trains_any_critic(name):
    critic = torch.nn.Sequential(
        torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
    ).double()
    loss = terms(name, critic, weight=0.1)["loss"]
    gradients = torch.autograd.grad(loss, list(critic.parameters()), allow_unused=True)
    assert all(g is None or g.isfinite().all() for g in gradients)
    assert gradients[0] is not None and gradients[0].abs().sum() > 0
