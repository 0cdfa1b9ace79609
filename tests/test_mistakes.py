"""Mistakes seen in public code, one test each: none of them is made here.

The longer proofs: tests/losses/test_penalties.py, tests/ops/test_gradient_penalty.py,
tests/ops/test_interpolate.py, tests/ops/test_reparameterize_kl.py, tests/metrics/test_modes.py.
"""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench import ops
from genbench.data import mixture
from genbench.data.stacked import StackedDigits
from genbench.losses import create_loss
from genbench.metrics import mode_coverage
from genbench.nets import NETWORKS
from genbench.studies.cells import derived_seed
from genbench.studies.protocols import PROTOCOLS

SEED = torch.tensor([5])
PENALTIES = ("r1", "r2", "gp", "gp_one_sided", "dragan")
TESTS = Path(__file__).parent


def images(key, n=4):
    return torch.randn(n, 3, 2, 2, generator=torch.Generator().manual_seed(key)).double()


def steep(x):
    """(n, 3, 2, 2) -> (n, 1); a slope of 2 x, which differs from image to image."""
    return x.square().flatten(1).sum(1, keepdim=True)


def penalty(name, critic=steep):
    """The term of weight 1, and the points it was taken at."""
    asked = []

    def watched(x):
        asked.append(x.detach())
        return critic(x)

    loss = create_loss(f"hinge+{name}", weight=1.0)
    terms = loss(watched, real=images(1), fake=images(2), phase="critic", seed=SEED)
    points = images(1) if name == "r1" else images(2) if name == "r2" else asked[-1]
    return terms[name].item(), points


def formula(name, norms):
    """The paper's penalty of any norms."""
    if name in ("r1", "r2"):
        return (norms**2).mean().item() / 2
    excess = (norms - 1).clamp(min=0) if name == "gp_one_sided" else norms - 1
    return (excess**2).mean().item()


@pytest.mark.parametrize("name", PENALTIES)
def test_one_norm_over_the_whole_batch(name):
    found, points = penalty(name)
    slopes = 2 * points
    assert found == pytest.approx(formula(name, slopes.flatten(1).norm(dim=1)))
    assert found != pytest.approx(formula(name, slopes.norm()[None]), rel=0.1)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_norm_for_each_pixel(name):
    found, points = penalty(name)
    assert found != pytest.approx(formula(name, (2 * points).norm(dim=1)), rel=0.1)


@pytest.mark.parametrize("name", ["gp", "gp_one_sided"])
def test_an_interpolation_weight_for_each_pixel(name):
    _, points = penalty(name)
    weights = ((points - images(2)) / (images(1) - images(2))).flatten(1)  # (n, 12)
    assert torch.allclose(weights, weights[:, :1].expand_as(weights))
    assert weights[:, 0].std() > 0.05


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_infinite_second_derivative_at_a_zero_gradient(name, dtype):
    weight = torch.zeros(2, dtype=dtype, requires_grad=True)
    x = torch.ones(3, 2, dtype=dtype)
    loss = create_loss(f"hinge+{name}", weight=1.0)

    def critic(points):
        return points @ weight

    terms = loss(critic, real=x, fake=2 * x, phase="critic", seed=SEED)
    (slope,) = torch.autograd.grad(terms["loss"], weight)
    assert terms["loss"].isfinite() and slope.isfinite().all()


def test_the_wrong_sign_of_a_logged_kl():
    ring = mixture("ring8")
    collapsed = ring.means[:1].repeat(500, 1)
    assert mode_coverage(collapsed, ring).kl > 2  # ln 8, not -ln 8
    mu, logvar = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, -0.2]])
    _, kl = ops.reparameterize_kl(mu, logvar, seed=SEED)
    posterior = torch.distributions.Normal(mu, (logvar / 2).exp())
    prior = torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(posterior, prior).sum(1)
    assert kl.item() == pytest.approx(expected.item(), rel=1e-6) and kl > 0


def test_a_kl_that_depends_on_the_batch():
    """beta mixed up with batch / N: a row's KL is its own, however many stand beside it."""
    mu, logvar = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)), torch.zeros(64, 5)
    alone, together = (
        ops.reparameterize_kl(mu[:n], logvar[:n], seed=SEED)[1][0].item() for n in (1, 64)
    )
    assert alone == pytest.approx(together) and alone == pytest.approx(
        mu[0].square().sum().item() / 2, rel=1e-6
    )


def test_a_ring_whose_endpoint_counts_twice():
    means = mixture("ring8").means.numpy()
    angles = np.sort(np.arctan2(means[:, 1], means[:, 0]) % (2 * np.pi))
    gaps = np.diff([*angles, angles[0] + 2 * np.pi])
    assert len(means) == 8 and np.allclose(gaps, np.pi / 4)


def test_a_kl_in_log10():
    ring = mixture("ring8")
    assert mode_coverage(ring.means[:1].repeat(99, 1), ring).kl == pytest.approx(math.log(8))


def test_missing_modes_dropped_from_the_kl():
    ring = mixture("ring8")
    half = mode_coverage(ring.means[:4].repeat(50, 1), ring)
    # over the four that are there alone the KL would be 0
    assert half.kl == pytest.approx(math.log(2)) and half.modes == 4


def test_images_in_0_1_against_a_generator_in_minus_1_1():
    torch.manual_seed(0)
    make = NETWORKS["dcgan_generator"].load()
    generator = make((8,), (1, 8, 8), width=4, depth=2)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter *= 50  # far into both ends of its range
        pixels = generator(torch.randn(50, 8))
    assert -1 <= pixels.min() < -0.9 and 0.9 < pixels.max() <= 1
    ink = torch.tensor([0, 255], dtype=torch.uint8)[torch.randint(2, (10, 8, 8))]
    real = StackedDigits(ink, torch.arange(10)).sample(50, torch.Generator().manual_seed(0))
    assert (real.min(), real.max()) == (-1, 1)


def test_evaluation_once_with_a_random_seed():
    assert all(protocol.evaluations >= 10 for protocol in PROTOCOLS.values())
    assert derived_seed(3, "samples") == derived_seed(3, "samples")
    assert derived_seed(3, "samples") not in (derived_seed(4, "samples"), derived_seed(3, "noise"))


# A difference that is compared with a small number, and could as well be -100.
SMALL = 0.05
MAGNITUDES = ("abs", "norm", "square", "std", "var")


def unsigned_differences(tree):
    """Lines that assert (a - b) < small, or of its mean, sum or max, without an absolute value."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert):
            continue
        for test in (n for n in ast.walk(node) if isinstance(n, ast.Compare)):
            right = test.comparators[0]
            below = isinstance(test.ops[0], ast.Lt | ast.LtE)
            bound = right.value if isinstance(right, ast.Constant) else None
            if below and isinstance(bound, float) and 0 < bound <= SMALL:
                text = ast.unparse(test.left)
                signed = any(
                    isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub)
                    for n in ast.walk(test.left)
                )
                if signed and not any(word in text for word in MAGNITUDES):
                    found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("assert loss - expected < 1e-6", True),
        ("assert (a - b).mean() <= 1e-3", True),
        ("assert (a - b).abs().max() < 1e-6", False),
        ("assert abs(a - b) < 1e-6", False),
        ("assert np.linalg.norm(a - b) < 1e-6", False),
        ("assert a - b < 5", False),
    ],
)
def test_an_unsigned_difference_is_seen(line, wrong):
    assert bool(unsigned_differences(ast.parse(line))) is wrong


def test_a_loss_test_without_an_absolute_value():
    found = {
        f"{path.relative_to(TESTS)}:{line}"
        for path in TESTS.rglob("*.py")
        for line in unsigned_differences(ast.parse(path.read_text()))
    }
    assert found == set()
