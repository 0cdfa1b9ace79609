"""Gradient penalties against critics whose gradients are known in closed form."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from genbench.ops import reference as ref

KEY = torch.tensor([5])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def normal(rng, *shape, dtype=torch.float64):
    return torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype)


def python_penalty(gradients, center, one_sided):
    """By math.hypot in Python floats, sample by sample."""
    rows = gradients.detach().double().flatten(1).tolist()
    excess = [math.hypot(*row) - center for row in rows]
    return sum(e * e for e in excess if e > 0 or not one_sided) / len(rows)


@pytest.mark.parametrize(("center", "one_sided"), [(1.0, False), (0.0, False), (2.5, True)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_and_layouts(api, layout, rng, dtype, center, one_sided):
    g = layout(normal(rng, 4, 3, 5, 2, dtype=dtype))
    gp = api.gradient_norm_penalty(g, center=center, one_sided=one_sided)
    assert gp.shape == () and gp.dtype == torch.promote_types(dtype, torch.float32)
    expected = python_penalty(g, center, one_sided)
    # float32 sums of 30 squares; float64 likewise
    assert gp.item() == pytest.approx(expected, rel=1e-13 if dtype == torch.float64 else 1e-5)


@given(
    rows=st.lists(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), min_size=1, max_size=4),
    center=st.floats(0, 100),
    one_sided=st.booleans(),
)
def test_any_gradients(rows, center, one_sided):
    g = torch.tensor(rows, dtype=torch.float64)
    expected = python_penalty(g, center, one_sided)
    gp = ref.gradient_norm_penalty(g, center=center, one_sided=one_sided).item()
    size = (math.hypot(*max(rows, key=lambda row: math.hypot(*row))) + center) ** 2
    assert gp == pytest.approx(expected, rel=1e-12, abs=1e-14 * size)  # norm - center cancels


def test_norm_of_each_sample_over_all_its_elements(api):
    """Seen in public code: one norm for the whole batch, and a norm for every pixel (dim=1)."""
    g = torch.zeros(2, 3, 2, 2)
    g[0, :, 0, 0] = torch.tensor([0.0, 3.0, 0.0])
    g[0, 2, 1, 1], g[1, 0, 1, 0] = 4.0, 1.0
    assert api.gradient_norm_penalty(g).item() == ((5 - 1) ** 2 + 0) / 2
    assert api.gradient_norm_penalty(g, center=0).item() == (25 + 1) / 2
    assert api.gradient_norm_penalty(g, center=2.0, one_sided=True).item() == 9 / 2
    assert api.gradient_norm_penalty(torch.tensor([3.0, -1.0])).item() == 2.0


def derivatives(function, g, orders=3):
    """The sums' successive gradients along a fixed direction, each (B, n)."""
    direction = torch.linspace(0.5, 1.5, g.shape[1], dtype=g.dtype)
    value, results = function(g), []
    for _ in range(orders):
        (slope,) = torch.autograd.grad(value, g, create_graph=True)
        results.append(slope.detach())
        value = (slope * direction).sum()
    return results


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("center", [0.0, 1.0])
@pytest.mark.parametrize("dtype", FLOATS)
def test_finite_to_the_third_derivative_at_zero(api, dtype, center, one_sided):
    g = torch.zeros(2, 3, dtype=dtype, requires_grad=True)
    penalty = lambda g: api.gradient_norm_penalty(g, center=center, one_sided=one_sided)  # noqa: E731
    first, second, third = derivatives(penalty, g)
    assert penalty(g).item() == (0 if one_sided else center**2)
    assert first.abs().max() == 0 and third.abs().max() == 0
    # of ||g||^2 - 2 c ||g|| + c^2 the root has no slope at 0; the square keeps its own
    smooth = not one_sided or center == 0
    direction = torch.linspace(0.5, 1.5, 3, dtype=dtype)
    torch.testing.assert_close(second[0], direction if smooth else torch.zeros_like(direction))


@pytest.mark.parametrize("size", [1e-44, 1e-38, 1e-30, 1e-20, 1e-18, 1e-12, 1e-4, 1.0, 1e12])
def test_finite_at_any_size(api, size):
    g = torch.tensor([[size, 2 * size, -2 * size], [0.0, 0.0, 0.0]], requires_grad=True)
    for result in derivatives(api.gradient_norm_penalty, g):
        assert result.isfinite().all()


@pytest.mark.parametrize("size", [1e-15, 1e-6, 1.0, 1e6])
def test_slopes_of_small_norms_are_true(api, size):
    """g has norm 3 size: the slope is 2 (1 - 1 / norm) g / B, also where g * g underflows."""
    g = torch.tensor([[size, 2 * size, -2 * size]], dtype=torch.float32, requires_grad=True)
    first, second, _ = derivatives(api.gradient_norm_penalty, g)
    u = torch.tensor([[1.0, 2.0, -2.0]]) / 3
    torch.testing.assert_close(first, 2 * (3 * size - 1) * u, rtol=1e-5, atol=0)
    v = torch.tensor([[0.5, 1.0, 1.5]])
    along = (u * v).sum() * u
    expected = 2 * v - 2 / (3 * size) * (v - along)
    torch.testing.assert_close(second, expected, rtol=1e-5, atol=1e-5)


def test_nan_stays_visible(api):
    g = torch.ones(2, 3)
    g[1, 2] = math.nan
    for center in (0.0, 1.0):
        assert api.gradient_norm_penalty(g, center=center).isnan()


@pytest.mark.parametrize(("center", "one_sided"), [(1.0, False), (0.0, False), (0.5, True)])
def test_norm_penalty_gradients(api, rng, center, one_sided):
    g = normal(rng, 3, 2, 2).requires_grad_()
    penalty = lambda g: api.gradient_norm_penalty(g, center=center, one_sided=one_sided)  # noqa: E731
    assert gradcheck(penalty, g)
    assert gradgradcheck(penalty, g)


def linear(rng, *shape):
    """A linear critic, whose gradient is its weight everywhere, and the weight."""
    w = normal(rng, *shape)
    return (lambda x: (x * w).flatten(1).sum(1)), w


def test_linear_critic_has_the_norm_of_its_weights(api, rng):
    critic, w = linear(rng, 3, 2)
    x, y = normal(rng, 5, 3, 2), normal(rng, 5, 3, 2)
    for points in ({"real": x}, {"fake": y}, {"real": x, "fake": y, "seed": KEY}):
        gp = api.gradient_penalty(critic, **points)
        assert gp.item() == pytest.approx((w.norm().item() - 1) ** 2, rel=1e-13)
    assert api.gradient_penalty(critic, real=x, center=0).item() == pytest.approx(
        w.square().sum().item(), rel=1e-13
    )


def test_quadratic_critic_tells_its_points(api, rng):
    """D = ||x||^2 / 2 has gradient x: the penalty shows where it was taken."""
    critic = lambda x: x.square().sum(1, keepdim=True) / 2  # noqa: E731
    x, y = normal(rng, 6, 3), normal(rng, 6, 3)
    alpha = torch.rand(6, generator=rng, dtype=torch.float64)
    between = torch.lerp(y, x, alpha[:, None])
    drawn = torch.lerp(y, x, api.uniform(6, seed=KEY, dtype=torch.float64)[:, None])
    cases = [
        ({"real": x}, x),
        ({"fake": y}, y),
        ({"real": x, "fake": y, "alpha": alpha}, between),
        ({"real": x, "fake": y, "alpha": 0.25}, torch.lerp(y, x, 0.25)),
        ({"real": x, "fake": y, "seed": KEY}, drawn),
    ]
    for arguments, points in cases:
        gp = api.gradient_penalty(critic, **arguments, center=0).item()
        assert gp == pytest.approx(points.square().sum(1).mean().item(), rel=1e-12)


@given(
    rows=st.lists(st.tuples(*[st.floats(-10, 10)] * 4), min_size=1, max_size=4),
    alpha=st.floats(0, 1),
    slope=st.floats(-3, 3),
    center=st.floats(0, 5),
)
def test_any_points_of_a_parabola(rows, alpha, slope, center):
    """D = slope ||x||^2 / 2 + x_0 has gradient slope x + e_0, by hand in Python floats."""
    points = [[alpha * r + (1 - alpha) * f for r, f in (row[:2], row[2:])] for row in rows]
    excess = [math.hypot(slope * x + 1, slope * y) - center for x, y in points]
    real, fake = (
        torch.tensor([[row[i], row[i + 2]] for row in rows], dtype=torch.float64) for i in (0, 1)
    )
    critic = lambda x: slope * x.square().sum(1) / 2 + x[:, 0]  # noqa: E731
    gp = ref.gradient_penalty(critic, real=real, fake=fake, alpha=alpha, center=center).item()
    expected = sum(e * e for e in excess) / len(rows)
    assert gp == pytest.approx(expected, rel=1e-12, abs=1e-12)  # norms reach 45: norm - center


def test_critics_parameters_gradients(api, rng):
    x, y = normal(rng, 3, 2), normal(rng, 3, 2)
    w, v = normal(rng, 2, 4).requires_grad_(), normal(rng, 4).requires_grad_()

    def penalty(w, v):
        return api.gradient_penalty(lambda p: torch.tanh(p @ w) @ v, real=x, fake=y, seed=KEY)

    assert gradcheck(penalty, (w, v))
    assert gradgradcheck(penalty, (w, v))


def test_nothing_flows_into_the_points(api, rng):
    critic, _ = linear(rng, 2)
    w = torch.ones(2, dtype=torch.float64, requires_grad=True)
    x, y = normal(rng, 3, 2).requires_grad_(), normal(rng, 3, 2).requires_grad_()
    gp = api.gradient_penalty(lambda p: (p**2 * w).sum(1), real=x, fake=y, seed=KEY)
    slopes = torch.autograd.grad(gp, (w, x, y), allow_unused=True)
    assert slopes[0] is not None and slopes[1] is slopes[2] is None
    assert api.gradient_penalty(critic, real=x).requires_grad is False


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 2, 3)])
def test_any_shape_of_logits(api, rng, shape):
    w = normal(rng, 5)
    critic = lambda x: (x @ w).reshape(4, *[1] * (len(shape) - 1)).expand(shape)  # noqa: E731
    outputs = math.prod(shape) // 4
    gp = api.gradient_penalty(critic, real=normal(rng, 4, 5), center=0)
    assert gp.item() == pytest.approx(outputs**2 * w.square().sum().item(), rel=1e-12)


def test_one_sample_and_half_precision(api, rng):
    critic, w = linear(rng, 3)
    gp = api.gradient_penalty(critic, real=normal(rng, 1, 3))
    assert gp.item() == pytest.approx((w.norm().item() - 1) ** 2, rel=1e-13)
    half = w.half()
    gp = api.gradient_penalty(lambda x: (x * half).sum(1), real=normal(rng, 2, 3).half())
    assert gp.dtype == torch.float32
    assert gp.item() == pytest.approx((half.double().norm().item() - 1) ** 2, rel=1e-5)


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1)).double()


def test_no_grad_gives_a_number(api, rng):
    net, x = small_net(), normal(rng, 4, 3)
    expected = api.gradient_penalty(net, real=x)
    with torch.no_grad():
        gp = api.gradient_penalty(net, real=x)
        assert not torch.is_grad_enabled()
    assert expected.requires_grad and not gp.requires_grad
    assert torch.equal(gp, expected.detach())


def test_autocast_keeps_float32(api, rng):
    net, x = small_net().float(), normal(rng, 4, 3, dtype=torch.float32)
    expected = api.gradient_penalty(net, real=x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gp = api.gradient_penalty(net, real=x)
    assert gp.dtype == torch.float32
    torch.testing.assert_close(gp, expected, rtol=2e-2, atol=0)  # products in bfloat16


def test_torch_func_agrees_with_autograd(api, rng):
    net, x, y = small_net(), normal(rng, 4, 3), normal(rng, 4, 3)
    weights = dict(net.named_parameters())

    def penalty(weights, seed):
        critic = lambda p: functional_call(net, weights, (p,))  # noqa: E731
        return api.gradient_penalty(critic, real=x, fake=y, seed=seed)

    api.gradient_penalty(net, real=x, fake=y, seed=KEY).backward()
    for name, slope in torch.func.grad(penalty)(weights, KEY).items():
        grad = weights[name].grad  # None for the last bias, which does not move the gradient
        expected = torch.zeros_like(slope) if grad is None else grad
        torch.testing.assert_close(slope, expected, rtol=1e-12, atol=1e-15)
    stacked = {k: torch.stack([v, 2 * v]).detach() for k, v in weights.items()}
    seeds = torch.tensor([[5], [6]])
    rows = [penalty({k: v[i] for k, v in stacked.items()}, seeds[i]) for i in range(2)]
    torch.testing.assert_close(torch.vmap(penalty)(stacked, seeds), torch.stack(rows))
