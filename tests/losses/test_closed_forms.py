"""What objectives reach at their best critic, each by a derivation that knows no logits.

Goodfellow 2014, theorem 1; Mao 2017; Arjovsky and Bottou 2017 (arXiv 1701.04862), theorem 2.5;
Kantorovich and Rubinstein's duality; linear programmes and quadrature.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genbench.losses import create_loss

SEED = torch.tensor([5])
COUNTS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=6)


def rows(counts):
    """Points 0, 1, ... as often as they count: means over rows are exact expectations."""
    places = torch.arange(len(counts), dtype=torch.float64)
    return torch.repeat_interleave(places, torch.tensor(counts))[:, None]


def value(name, logits, real, fake, phase="critic"):
    """The loss of a critic that looks its logit up, at points 0, 1, ..."""
    table = torch.as_tensor(logits, dtype=torch.float64)
    loss = create_loss(name)
    found = loss(lambda x: table[x[:, 0].long()], real=real, fake=fake, phase=phase, seed=SEED)
    return found["loss"].item()


def minimise(name, real, fake, size):
    """(logits, loss) where Newton's method over all tables ends; a table's Hessian is diagonal."""
    table = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    loss = create_loss(name)
    found = torch.tensor(0.0)
    for _ in range(12):
        found = loss(
            lambda x: table[x[:, 0].long()], real=real, fake=fake, phase="critic", seed=SEED
        )["loss"]
        (slope,) = torch.autograd.grad(found, table, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), table)
        table.data -= slope.detach() / bend
    return table.detach().numpy(), found.item()


def distributions(counts):
    p, q = (np.array(c, dtype=float) for c in zip(*counts, strict=True))
    return p / p.sum(), q / q.sum()


def jsd(p, q):
    """Jensen-Shannon divergence as an entropy's excess, nats."""

    def entropy(d):
        return -(d * np.log(d)).sum()

    return entropy((p + q) / 2) - entropy(p) / 2 - entropy(q) / 2


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
@settings(max_examples=25)  # 20 ms a case: Newton's steps
@given(counts=COUNTS)
def test_the_games_value_is_2_jsd_minus_log_4(name, counts):
    p, q = distributions(counts)
    real, fake = (rows(c) for c in zip(*counts, strict=True))
    _, loss = minimise(name, real, fake, len(counts))
    # Goodfellow's unhalved value is minus the critic's loss
    assert -loss == pytest.approx(2 * jsd(p, q) - math.log(4), abs=1e-9)
    # and the halved one has its optimum at JSD - log 2, not at 2 JSD - log 4
    assert -loss / 2 == pytest.approx(jsd(p, q) - math.log(2), abs=1e-9)


def gaussian(x, mean, deviation):
    return np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))


def test_the_value_on_the_line_by_quadrature():
    x = np.linspace(-14, 14, 200_001)
    p, q = gaussian(x, 0.0, 1.0), gaussian(x, 1.5, 0.7)
    middle = (p + q) / 2
    divergence = np.trapezoid(p * np.log(p / middle) + q * np.log(q / middle), x) / 2

    normal = torch.special.ndtri((torch.arange(40_000, dtype=torch.float64) + 0.5) / 40_000)
    real, fake = normal[:, None], 1.5 + 0.7 * normal[:, None]

    def critic(points):  # log p / q
        return math.log(0.7) - points.square() / 2 + ((points - 1.5) / 0.7).square() / 2

    loss = create_loss("minimax")
    value = -loss(critic, real=real, fake=fake, phase="critic", seed=SEED)["loss"].item()
    # 40,000 quantiles in place of an integral: their error falls as 1 / n, 2e-5 here
    assert value == pytest.approx(2 * divergence - math.log(4), abs=1e-4)
    assert value / 2 == pytest.approx(divergence - math.log(2), abs=1e-4)


@settings(max_examples=25)  # 20 ms a case: Newton's steps
@given(counts=COUNTS)
def test_least_squares_critic_is_the_share_of_real_points(counts):
    p, q = distributions(counts)
    real, fake = (rows(c) for c in zip(*counts, strict=True))
    logits, loss = minimise("least_squares", real, fake, len(counts))
    assert np.allclose(logits, p / (p + q), atol=1e-7)
    assert loss == pytest.approx(0.5 * (p * q / (p + q)).sum(), abs=1e-9)


@settings(max_examples=25)  # 20 ms a case: a linear programme
@given(counts=COUNTS)
def test_hinge_reaches_2_minus_2_total_variations(counts):
    from scipy.optimize import linprog

    p, q = distributions(counts)
    n = len(p)
    events = itertools.product([False, True], repeat=n)
    variation = max(abs(p[list(e)].sum() - q[list(e)].sum()) for e in events)  # over all events
    # minimise p s + q t with s >= 1 - d, t >= 1 + d, s and t >= 0; d the logits
    eye, zero = np.eye(n), np.zeros((n, n))
    above = np.block([[-eye, -eye, zero], [eye, zero, -eye]])
    bounds = [(None, None)] * n + [(0, None)] * (2 * n)
    best = linprog(np.concatenate([np.zeros(n), p, q]), above, -np.ones(2 * n), bounds=bounds)
    real, fake = (rows(c) for c in zip(*counts, strict=True))
    assert best.fun == pytest.approx(2 * (1 - variation), abs=1e-9)
    assert value("hinge", best.x[:n], real, fake) == pytest.approx(best.fun, abs=1e-9)


@settings(max_examples=25)  # 20 ms a case: a linear programme
@given(counts=COUNTS, gaps=st.lists(st.integers(1, 5), min_size=5, max_size=5))
@pytest.mark.parametrize("name", ["wasserstein", "wasserstein_gp"])
def test_wasserstein_is_the_distance_of_quantiles(name, counts, gaps):
    from scipy.optimize import linprog

    p, q = distributions(counts)
    places = np.concatenate([[0], np.cumsum(gaps)])[: len(p)].astype(float)
    steps = np.diff(np.eye(len(p)), axis=0)  # f_{i + 1} - f_i
    slopes = np.concatenate([np.diff(places)] * 2)
    best = linprog(q - p, np.concatenate([steps, -steps]), slopes, bounds=(-100, 100))
    real, fake = (rows(c) for c in zip(*counts, strict=True))

    # as many points of both, in order: the k-th real one goes to the k-th generated one
    times = math.lcm(len(real), len(fake))
    first, second = (
        places[np.repeat(points[:, 0].numpy().astype(int), times // len(points))]
        for points in (real, fake)
    )
    quantiles = np.abs(np.sort(first) - np.sort(second)).mean()
    objective = create_loss(name).objective
    table = torch.tensor(best.x)
    loss = objective.critic(real=table[real.long()], fake=table[fake.long()]).item()
    assert -loss == pytest.approx(quantiles, abs=1e-9)


def test_the_non_saturating_gradient_is_that_of_a_reverse_kl_minus_2_jsd():
    x = np.linspace(-12, 12, 100_001)
    p = 0.5 * gaussian(x, -1.0, 0.8) + 0.5 * gaussian(x, 1.5, 0.6)
    deviation, mean = 0.9, 0.4

    def divergence(at):
        q = gaussian(x, at, deviation)
        middle = (p + q) / 2
        halves = p * np.log(p / middle) + q * np.log(q / middle)
        return np.trapezoid(q * np.log(q / p) - halves, x)  # KL(q, p) - 2 JSD

    expected = (divergence(mean + 1e-4) - divergence(mean - 1e-4)) / 2e-4

    def critic(points):  # log p / q at the present generator, which does not move with it
        parts = [-0.5 * ((points + 1) / 0.8) ** 2 - math.log(0.8 * 2)]
        parts.append(-0.5 * ((points - 1.5) / 0.6) ** 2 - math.log(0.6 * 2))
        log_q = -0.5 * ((points - mean) / deviation) ** 2 - math.log(deviation)
        return torch.logsumexp(torch.stack(parts), 0) - log_q

    place = torch.tensor(mean, dtype=torch.float64, requires_grad=True)
    normal = torch.special.ndtri((torch.arange(40_000, dtype=torch.float64) + 0.5) / 40_000)
    fake = (place + deviation * normal)[:, None]
    loss = create_loss("non_saturating")
    terms = loss(critic, real=fake.detach(), fake=fake, phase="generator", seed=SEED)
    (found,) = torch.autograd.grad(terms["loss"], place)
    # quantiles in place of an integral: 1e-4 of the gradient
    assert found.item() == pytest.approx(expected, rel=1e-3) and abs(expected) > 0.01


@pytest.mark.parametrize("key", range(10))
def test_minimax_players_share_one_value(key):
    """The generator's part of the game is the critic's, with the other sign."""
    rng = np.random.default_rng(key)
    counts = rng.integers(1, 10, size=(5, 2)).tolist()
    real, fake = (rows(c) for c in zip(*counts, strict=True))
    logits = rng.normal(size=5)
    critic, generator = (value("minimax", logits, real, fake, p) for p in ("critic", "generator"))
    p, _ = distributions(counts)
    assert critic + generator == pytest.approx((p * np.log1p(np.exp(-logits))).sum(), abs=1e-12)


@pytest.mark.parametrize("key", range(10))
@pytest.mark.parametrize("name", ["hinge", "wasserstein"])
def test_linear_generators_raise_the_mean_logit(name, key):
    rng = np.random.default_rng(key)
    counts = rng.integers(1, 10, size=(5, 2)).tolist()
    real, fake = (rows(c) for c in zip(*counts, strict=True))
    logits = rng.normal(size=5)
    _, q = distributions(counts)
    assert value(name, logits, real, fake, "generator") == pytest.approx(-(q * logits).sum())
