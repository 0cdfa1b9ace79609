"""The penalty kernels: ranges of the squares, long rows, gradients by either backend, errors."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.checkpoint import checkpoint

from genbench import ops
from genbench.ops.backend import backend

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
ROUNDING = {torch.float16: 2**-11, torch.bfloat16: 2**-8, torch.float32: 2**-23}


def normal(rng, *shape, dtype=torch.float64):
    return torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype)


def closed_form(g, center, one_sided):
    """Penalty and slopes, row by row in Python floats: math.hypot scales as it needs."""
    rows, out, total = g.double().reshape(len(g), -1).tolist(), [], 0.0
    for row in rows:
        norm = math.hypot(*row)
        excess = max(norm - center, 0) if one_sided and center else norm - center
        total += excess**2
        factor = 2 * excess / norm / len(rows) if norm else 0
        out.append([factor * x for x in row])
    return total / len(rows), torch.tensor(out, dtype=torch.float64).reshape(g.shape)


# Around the chunk of 1024: rows inside one, many rows of one, rows of many.
SHAPES = [(1,), (3, 1), (5, 3), (700, 2), (2, 15, 17), (1, 1023), (3, 1024), (2, 1025), (2, 4099)]


@pytest.mark.parametrize(("center", "one_sided"), [(1.0, False), (0.0, False), (20.0, True)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sizes(either, rng, shape, center, one_sided):
    for dtype in FLOATS:
        g = normal(rng, *shape, dtype=dtype).requires_grad_()
        penalty = ops.gradient_norm_penalty(g, center=center, one_sided=one_sided)
        (slope,) = torch.autograd.grad(3 * penalty, g)
        wanted, by_hand = closed_form(g.detach(), center, one_sided)
        # norm - center cancels: relative to the norm, which is below 70 here
        error = 1e-13 if dtype == torch.float64 else 1e-5
        assert penalty.item() == pytest.approx(wanted, rel=error, abs=error)
        assert slope.dtype == dtype and slope.shape == g.shape
        rounding = ROUNDING.get(dtype, 0)
        torch.testing.assert_close(slope.double(), 3 * by_hand, rtol=rounding, atol=error)


@pytest.mark.parametrize("cols", [3, 2000])
@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e-153, 1e-140, 1e140, 1e150])
def test_float64_squares_out_of_range(either, cols, size):
    """One row among ordinary ones: a penalty that squares first makes its norm 0 or infinite."""
    g = torch.ones(3, cols, dtype=torch.float64)
    g[1] = size
    g.requires_grad_()
    norm = cols**0.5
    center = size * norm / 2
    penalty = ops.gradient_norm_penalty(g, center=center)
    (slope,) = torch.autograd.grad(penalty, g)
    zero = size * norm <= torch.finfo(torch.float64).tiny ** 0.5
    for row, x in ((0, 1.0), (1, size)):
        factor = 1 if zero and row else 1 - center / (x * norm)
        wanted = torch.full_like(slope[row], 2 * x / 3 * factor)
        torch.testing.assert_close(slope[row], wanted, rtol=1e-12, atol=0)
    wanted = (2 * (norm - center) ** 2 + (size * norm - center) ** 2) / 3
    assert penalty.item() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("cols", [4, 4000])
@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 1e25), (torch.float64, 1e200)])
def test_squares_beyond_the_type(kernels, dtype, size, cols):
    """The penalty is infinite, its slope is not; autograd of the formula overflows there."""
    small = 1 / size**0.5
    g = torch.tensor([[size], [small]], dtype=dtype).expand(2, cols).clone().requires_grad_()
    penalty = ops.gradient_norm_penalty(g)
    (slope,) = torch.autograd.grad(penalty, g)
    wanted = torch.tensor([[size], [small - 1 / cols**0.5]], dtype=dtype).expand(2, cols)
    assert penalty.isinf()
    torch.testing.assert_close(slope, wanted, rtol=1e-6, atol=0)  # float32: two roundings


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cols", [1, 4, 4096])
@pytest.mark.parametrize(("center", "one_sided"), [(1.0, False), (0.0, False), (1.0, True)])
def test_what_counts_as_zero(either, dtype, cols, center, one_sided):
    """At a norm of the root of the smallest normal number, not above: there the slope is 2 g / B,
    that of the square, or 0."""
    least = torch.finfo(dtype).tiny ** 0.5 / cols**0.5
    for factor, zero in ((0.0, True), (0.99, True), (1.01, False)):
        g = torch.full((2, cols), least * factor, dtype=dtype, requires_grad=True)
        penalty = ops.gradient_norm_penalty(g, center=center, one_sided=one_sided)
        (slope,) = torch.autograd.grad(penalty, g)
        assert penalty.item() == pytest.approx(0 if one_sided else center**2, abs=1e-30)
        if zero or center == 0:
            wanted = torch.zeros_like(g) if one_sided else g.detach()
        else:
            wanted = torch.full_like(g, 0 if one_sided else -center / cols**0.5)
        torch.testing.assert_close(slope, wanted, rtol=1e-5, atol=0)  # float32 norms


@pytest.mark.parametrize("cols", [3, 3000])
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinity_stay_visible(either, dtype, cols):
    for value, seen in ((math.nan, torch.isnan), (math.inf, torch.isinf)):
        g = torch.ones(2, cols, dtype=dtype)
        g[1, 2] = value
        g.requires_grad_()
        for center, one_sided in ((1.0, False), (0.0, False), (1.0, True)):
            penalty = ops.gradient_norm_penalty(g, center=center, one_sided=one_sided)
            assert seen(penalty)
            (slope,) = torch.autograd.grad(penalty, g)
            assert slope[0].isfinite().all() and not slope[1, 2].isfinite()


@pytest.mark.parametrize(("center", "one_sided"), [(1.0, False), (0.0, False), (1.5, True)])
def test_both_orders(either, rng, center, one_sided):
    call = lambda g: ops.gradient_norm_penalty(g, center=center, one_sided=one_sided)  # noqa: E731
    g = normal(rng, 4, 2, 3).requires_grad_()
    assert gradcheck(call, g)
    assert gradgradcheck(call, g)


def test_second_derivatives_reach_the_critic(either, rng):
    """The penalty of f(x) = sum (w x)^2 / 2, whose gradient is w^2 x, in closed form."""
    w, x = normal(rng, 3).requires_grad_(), normal(rng, 5, 3)
    gp = ops.gradient_penalty(lambda p: (w * p).square().sum(1) / 2, real=x)
    (slope,) = torch.autograd.grad(gp, w)
    square = w.detach().square()
    norm = (square * x).norm(dim=1, keepdim=True)
    by_hand = (2 * (norm - 1) / norm * (square * x) * 2 * w.detach() * x).mean(0)
    torch.testing.assert_close(slope, by_hand, rtol=1e-12, atol=0)


def test_loss_scaling_saves_float16_gradients(either):
    """2 (norm - 1) / norm g / B is 1.5e-8 here, below float16's numbers; scaled it is none."""
    rows = 2**16
    g = torch.full((rows, 1), 1 + 2**-10, dtype=torch.float16, requires_grad=True)
    penalty = ops.gradient_norm_penalty(g)
    (lost,) = torch.autograd.grad(penalty, g, retain_graph=True)
    assert lost.count_nonzero() == 0
    (scaled,) = torch.autograd.grad(2.0**16 * penalty, g)
    torch.testing.assert_close(scaled, torch.full_like(g, 2 * 2**-10), rtol=2**-11, atol=0)


def test_autocast(either, rng):
    critic = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    x = normal(rng, 6, 3, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        gp = ops.gradient_penalty(critic, real=x)
    assert gp.dtype == torch.float32
    gp.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in critic.parameters())
    # the critic's own matrix products are in bfloat16
    assert gp.item() == pytest.approx(ops.gradient_penalty(critic, real=x).item(), rel=0.05)


def test_compiles_whole(kernels, rng):
    def call(g):
        return 3 * ops.gradient_norm_penalty(g, center=0.5)

    compiled = torch.compile(call, fullgraph=True, dynamic=True, backend="aot_eager")
    g = normal(rng, 4, 5, dtype=torch.float32).requires_grad_()
    found = [torch.autograd.grad(f(g), g)[0] for f in (compiled, call)]
    assert torch.equal(compiled(g), call(g)) and torch.equal(*found)
    with torch.compiler.set_stance("fail_on_recompile"):  # no batch size is part of the graph
        longer = g.detach().repeat(3, 1).requires_grad_()
        assert torch.equal(compiled(longer), call(longer))
    with torch.no_grad():
        assert torch.equal(compiled(g), call(g))


def test_checkpoint(either, rng):
    g = normal(rng, 4, 6).requires_grad_()
    (plain,) = torch.autograd.grad(ops.gradient_norm_penalty(g), g)
    checkpoint(ops.gradient_norm_penalty, g, use_reentrant=False).backward()
    assert g.grad is not None and torch.equal(plain, g.grad)


def test_the_switch_reaches_the_kernels(kernels, rng):
    """The kernels sum float32 squares in double: their roundings differ."""
    g = normal(rng, 64, 300, dtype=torch.float32)
    fused = ops.gradient_norm_penalty(g)
    assert torch.equal(fused, kernels.gradient_norm_penalty_forward(g, 1.0, False, False)[0])
    with backend("reference"):
        plain = ops.gradient_norm_penalty(g)
    assert torch.equal(plain, ops.reference.gradient_norm_penalty(g))
    assert not torch.equal(fused, plain)
    torch.testing.assert_close(fused, plain, rtol=1e-5, atol=0)


def test_slopes_that_are_not_wanted(kernels):
    for cols in (3, 3000):
        g = torch.ones(2, cols)
        penalty, slope = kernels.gradient_norm_penalty_forward(g, 1.0, False, True)
        alone, none = kernels.gradient_norm_penalty_forward(g, 1.0, False, False)
        assert torch.equal(penalty, alone) and slope.shape == (2,) and none.shape == (0,)


G, ONE, S = torch.ones(2, 3), torch.ones(()), torch.ones(2).double()
F, B = "gradient_norm_penalty_forward", "gradient_norm_penalty_backward"
RAW = [
    (F, (G.long(), 1.0, False, True), "dtype must be float16"),
    (F, (ONE, 1.0, False, True), "gradients must have at least one dimension"),
    (F, (G[:0], 1.0, False, True), "gradients must not be empty"),
    (F, (G[:, :0], 1.0, False, True), "gradients must not be empty"),
    (F, (G, -1.0, False, True), "center must be at least 0, got -1"),
    (F, (G, math.nan, False, True), "center must be at least 0, got nan"),
    (B, (ONE, G[:0], S), "gradients must not be empty"),
    (B, (ONE.double(), G, S), "grad_penalty must be like the penalty"),
    (B, (torch.ones(1), G, S), "grad_penalty must be like the penalty"),
    (B, (ONE, G, S.float()), "slope must be float64 of shape (batch,)"),
    (B, (ONE, G, S[:1]), "slope must be float64 of shape (batch,)"),
    (B, (ONE, G.int(), S), "dtype must be float16"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), RAW)
def test_raw_operations_refuse(kernels, refuses, name, arguments, words):
    with refuses(RuntimeError, f"genbench::{name}: ", words):
        getattr(kernels, name)(*arguments)
