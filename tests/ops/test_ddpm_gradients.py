"""Gradients of DDPM's steps by either backend: both orders, compilation, checkpoints."""

from typing import Any

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.checkpoint import checkpoint

from genbench import ops

SEED = torch.tensor([11, 2])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
NUMBERS: dict[str, Any] = {"alpha": 0.9, "alpha_bar": 0.36, "sigma": 0.25}
ROWS: dict[str, Any] = {
    "alpha": torch.tensor([0.9, 0.8, 0.99], dtype=torch.float64),
    "alpha_bar": torch.tensor([0.4, 0.3, 0.9]),
    "sigma": torch.tensor([0.1, 0.0, 0.3], dtype=torch.bfloat16),
}


def leaves(rng, *shape, count=3, dtype=torch.float64):
    drawn = (torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(count))
    return [x.to(dtype).requires_grad_() for x in drawn]


@pytest.mark.parametrize("schedule", [NUMBERS, ROWS], ids=["numbers", "rows"])
def test_both_orders(either, rng, schedule):
    def step(x, e, z):
        return ops.ddpm_step(x, e, **schedule, noise=z)

    def step_drawn(x, e):
        return ops.ddpm_step(x, e, **schedule, seed=SEED)

    def noised(x, z):
        x_t, noise = ops.ddpm_add_noise(x, schedule["alpha_bar"], noise=z)
        return x_t, noise.square()  # given noise comes back with its own gradient

    def noised_drawn(x):
        return ops.ddpm_add_noise(x, schedule["alpha_bar"], seed=SEED)[0]

    arguments = leaves(rng, 3, 2)
    for call, count in ((step, 3), (step_drawn, 2), (noised, 2), (noised_drawn, 1)):
        assert gradcheck(call, arguments[:count], fast_mode=True)
        assert gradgradcheck(call, arguments[:count], fast_mode=True)


@pytest.mark.parametrize("dtype", FLOATS)
def test_slopes_in_closed_form(either, rng, dtype):
    """x_{t-1} = (x_t - .1 / .8 e) / sqrt(.9) + z / 4 and x_t = .6 x_0 + .8 z, by number."""
    x, e, z = leaves(rng, 3, 700, dtype=dtype)
    grad = torch.randn(3, 700, generator=rng).to(dtype)
    step = ops.ddpm_step(x, e, **NUMBERS, noise=z)
    x_t, _ = ops.ddpm_add_noise(x, 0.36, noise=z)
    found = [*torch.autograd.grad(step, (x, e, z), grad), *torch.autograd.grad(x_t, (x, z), grad)]
    slopes = (0.9**-0.5, -0.125 * 0.9**-0.5, 0.25, 0.6, 0.8)
    rtol = {torch.float16: 2**-11, torch.bfloat16: 2**-8, torch.float32: 1e-6}.get(dtype, 1e-14)
    for got, slope in zip(found, slopes, strict=True):
        assert got.dtype == dtype
        small = 2**-24 if dtype == torch.float16 else 0  # its subnormals
        torch.testing.assert_close(got.double(), slope * grad.double(), rtol=rtol, atol=small)


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2), (1, 2)], ids=str)
def test_only_what_is_needed(either, rng, wanted):
    inputs = leaves(rng, 3, 5)
    all_three = torch.autograd.grad(
        ops.ddpm_step(*inputs[:2], **ROWS, noise=inputs[2]).sum(), inputs
    )
    some = [x if i in wanted else x.detach() for i, x in enumerate(inputs)]
    out = ops.ddpm_step(*some[:2], **ROWS, noise=some[2])
    for i, got in zip(
        wanted, torch.autograd.grad(out.sum(), [some[i] for i in wanted]), strict=True
    ):
        assert torch.equal(got, all_three[i])


def test_where_sigma_is_zero_noise_gets_no_gradient(either, rng):
    x, e, z = leaves(rng, 3, 5)
    infinite = torch.full((3, 5), torch.inf, dtype=torch.float64)
    out = ops.ddpm_step(x, e, **ROWS, noise=z)
    (slope,) = torch.autograd.grad(out, z, infinite)
    assert torch.equal(slope[1], torch.zeros(5).double()) and slope[::2].isinf().all()
    (slope,) = torch.autograd.grad(
        ops.ddpm_step(x, e, **ROWS, noise=z), z, infinite, create_graph=True
    )
    assert torch.equal(slope[1], torch.zeros(5).double())
    still = ops.ddpm_step(x, e, alpha=0.9, alpha_bar=0.36, sigma=0, noise=z)
    assert torch.autograd.grad(still.sum(), z, allow_unused=True) == (None,)


def test_drawn_noise_has_no_gradient(either, rng):
    (x,) = leaves(rng, 3, 5, count=1)
    x_t, noise = ops.ddpm_add_noise(x, ROWS["alpha_bar"], seed=SEED)
    assert x_t.requires_grad and not noise.requires_grad
    (slope,) = torch.autograd.grad((x_t + noise).sum(), x)
    torch.testing.assert_close(slope, ROWS["alpha_bar"].double().sqrt()[:, None].expand(3, 5))


def test_a_learned_schedule(either, rng):
    """d x_t / d alpha_bar = x_0 / (2 sqrt(alpha_bar)) - noise / (2 sqrt(1 - alpha_bar))."""
    x0, e = (x.detach() for x in leaves(rng, 3, 5, count=2))
    bar = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64, requires_grad=True)
    x_t, noise = ops.ddpm_add_noise(x0, bar, seed=SEED)
    (slope,) = torch.autograd.grad(x_t.sum(), bar)
    root, rest = bar.detach().sqrt(), (1 - bar.detach()).sqrt()
    torch.testing.assert_close(slope, x0.sum(1) / (2 * root) - noise.sum(1) / (2 * rest))
    sigma = torch.full((3,), 0.5, dtype=torch.float64, requires_grad=True)
    out = ops.ddpm_step(x0, e, alpha=0.9, alpha_bar=0.5, sigma=sigma, seed=SEED)
    (slope,) = torch.autograd.grad(out.sum(), sigma)
    torch.testing.assert_close(slope, noise.sum(1))


def loss(x, e, schedule, seed):
    x_t, noise = ops.ddpm_add_noise(x, schedule["alpha_bar"], seed=seed)
    return (ops.ddpm_step(x_t, e, **schedule, seed=seed) - noise).square().sum()


def test_compiles_whole_with_gradients(kernels, rng):
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    x, e = leaves(rng, 3, 5, count=2)
    # numbers that change from call to call, as over the steps of a chain
    for schedule in (NUMBERS, NUMBERS | {"sigma": 0.5}, NUMBERS | {"sigma": 0.75}, ROWS):
        value = compiled(x, e, schedule, SEED)
        torch.testing.assert_close(value, loss(x, e, schedule, SEED), rtol=1e-12, atol=0)
        grads = torch.autograd.grad(value, (x, e))
        wanted = torch.autograd.grad(loss(x, e, schedule, SEED), (x, e))
        for a, b in zip(grads, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint_draws_the_same_noise(either, rng, reentrant):
    def step(x, e):
        x_t, noise = ops.ddpm_add_noise(x, ROWS["alpha_bar"])
        return (ops.ddpm_step(x_t, e, **NUMBERS) * noise).square().sum()

    x, e = leaves(rng, 3, 6, count=2)
    torch.manual_seed(3)
    plain = torch.autograd.grad(step(x, e), (x, e))
    torch.manual_seed(3)
    checkpoint(step, x, e, use_reentrant=reentrant).backward()
    for a, leaf in zip(plain, (x, e), strict=True):
        assert leaf.grad is not None and torch.equal(a, leaf.grad)
