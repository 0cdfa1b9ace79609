"""Gradients of the cross-entropies by either backend: orders, dtypes, extremes, compilation."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.checkpoint import checkpoint

from genbench import ops
from genbench.ops.backend import backend

SEED = torch.tensor([-3, 6])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
EXACT = {torch.float64: 1e-14}  # a few roundings; else 1e-6, of float32
ROUNDING = {torch.float16: 2**-11, torch.bfloat16: 2**-8}
NOISY = {"real_target": (0.7, 0.9), "fake_target": 0.1, "flip_probability": 0.3, "seed": SEED}


def logits(rng, *sizes, dtype=torch.float64):
    drawn = (3 * torch.randn(n, generator=rng, dtype=torch.float64) for n in sizes)
    return [x.to(dtype).requires_grad_() for x in drawn]


def discriminate(real, fake):
    return ops.discriminator_bce(real=real, fake=fake, **NOISY)


def both(real, fake):
    """Weighted, so that the incoming gradients are no ones."""
    return 0.3 * discriminate(real, fake) + 2.5 * ops.generator_bce(fake=fake)


@pytest.mark.parametrize("saturating", [False, True])
def test_generator(either, rng, saturating):
    call = lambda x: ops.generator_bce(fake=x, saturating=saturating)  # noqa: E731
    assert gradcheck(call, logits(rng, 5))
    assert gradgradcheck(call, logits(rng, 5))


@pytest.mark.parametrize("needed", [(True, True), (True, False), (False, True)])
def test_discriminator(either, rng, needed):
    arguments = [x.requires_grad_(n) for x, n in zip(logits(rng, 4, 6), needed, strict=True)]
    assert gradcheck(discriminate, arguments)
    assert gradgradcheck(discriminate, arguments)


def test_gradients_by_targets(either, rng):
    """d bce / dt = -x, or x for a flipped target: the formula's, as no kernel computes it."""
    real, fake = logits(rng, 4, 6)
    t = torch.rand(4, dtype=torch.float64, requires_grad=True)
    for flip, sign in ((0.0, -1), (1.0, 1)):
        loss = ops.discriminator_bce(
            real=real, fake=fake, real_target=t, flip_probability=flip, seed=SEED
        )
        (slope,) = torch.autograd.grad(loss, t)
        torch.testing.assert_close(slope, sign * real.detach() / 4, rtol=1e-13, atol=0)


def test_second_derivative_in_closed_form(either, rng):
    """sigmoid (1 - sigmoid) / n, whatever the target; flips and smoothing change only the first."""
    real, fake = logits(rng, 4, 6)
    loss = 2 * discriminate(real, fake)
    slopes = torch.autograd.grad(loss, (real, fake), create_graph=True)
    second = torch.autograd.grad([s.sum() for s in slopes], (real, fake))
    for x, d in zip((real, fake), second, strict=True):
        s = torch.sigmoid(x.detach())
        torch.testing.assert_close(d, 2 * s * (1 - s) / x.numel(), rtol=1e-12, atol=0)


def test_the_formula_of_second_derivatives_draws_the_same_targets(kernels, rng):
    real, fake = logits(rng, 2000, 1500)
    loss = discriminate(real, fake)
    plain = torch.autograd.grad(loss, (real, fake), retain_graph=True)
    by_formula = torch.autograd.grad(loss, (real, fake), create_graph=True)
    for a, b in zip(plain, by_formula, strict=True):
        assert b.requires_grad
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-17)  # a few roundings of 1 / 2000


@pytest.mark.parametrize("dtype", FLOATS)
def test_slopes_in_closed_form(either, layout, rng, dtype):
    """(sigmoid(x) - t) / n in the logits' dtype, in any layout."""
    shape = (4, 3, 5, 2)
    draw = lambda: 3 * torch.randn(shape, generator=rng, dtype=torch.float64)  # noqa: E731
    real, fake = (layout(draw().to(dtype)).detach().requires_grad_() for _ in range(2))
    target = layout(torch.rand(shape, generator=rng).to(dtype))
    loss = ops.discriminator_bce(real=real, fake=fake, real_target=target, fake_target=0.25)
    got = torch.autograd.grad(loss, (real, fake))
    rtol, atol = 2 * ROUNDING.get(dtype, 0), EXACT.get(dtype, 1e-6)  # as stored and as scaled
    if dtype == torch.float16:
        atol = 2**-24  # a subnormal's rounding
    for x, t, slope in zip((real, fake), (target, 0.25), got, strict=True):
        assert slope.dtype == dtype
        by_hand = (torch.sigmoid(x.detach().double()) - t) / x.numel()
        torch.testing.assert_close(slope.double(), by_hand, rtol=rtol, atol=atol)


def test_loss_scaling_saves_float16_gradients(either):
    """A slope of 1e-3 over 2^16 logits is 1.5e-8, below float16's numbers; scaled it is none."""
    n = 2**16
    x = torch.full((n,), 6.9, dtype=torch.float16, requires_grad=True)
    loss = ops.generator_bce(fake=x)
    (lost,) = torch.autograd.grad(loss, x, retain_graph=True)
    assert lost.count_nonzero() == 0
    (scaled,) = torch.autograd.grad(loss * 2.0**16, x)
    by_hand = -torch.sigmoid(-x.detach().double())
    # two roundings, of which one at 1e-3, where float16 still has all its digits
    torch.testing.assert_close(scaled.double(), by_hand, rtol=2**-10, atol=0)


@pytest.mark.parametrize(
    ("real", "fake", "target"),
    [
        (torch.bfloat16, torch.float32, None),
        (torch.float32, torch.float64, None),
        (torch.float16, torch.float16, torch.float32),
        (torch.float32, torch.float32, torch.float64),
    ],
)
def test_mixed_dtypes(either, rng, real, fake, target):
    r, f = logits(rng, 9)[0].detach().to(real).requires_grad_(), logits(rng, 5, dtype=fake)[0]
    t = 0.9 if target is None else torch.full((9,), 0.9, dtype=target)
    loss = ops.discriminator_bce(real=r, fake=f, real_target=t)
    assert loss.dtype == torch.promote_types(torch.promote_types(real, fake), torch.float32)
    exact = [x.detach().double().requires_grad_() for x in (r, f)]
    wanted = ops.reference.discriminator_bce(real=exact[0], fake=exact[1], real_target=0.9)
    torch.testing.assert_close(loss.double(), wanted, rtol=1e-6, atol=0)  # float32 sum of 14
    got, slopes = torch.autograd.grad(loss, (r, f)), torch.autograd.grad(wanted, exact)
    for a, b, dtype in zip(got, slopes, (real, fake), strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=2 * ROUNDING.get(dtype, 1e-6), atol=1e-6)


def test_autocast(either, rng):
    critic = torch.nn.Linear(3, 1)
    x, y = torch.randn(2, 8, 3, generator=rng)
    with torch.autocast("cpu", torch.bfloat16):
        real, fake = critic(x), critic(y)
        loss = discriminate(real, fake) + ops.generator_bce(fake=fake)
    assert real.dtype == torch.bfloat16 and loss.dtype == torch.float32
    got = torch.autograd.grad(loss, (real, fake))
    exact = [v.detach().double().requires_grad_() for v in (real, fake)]
    wanted = torch.autograd.grad(discriminate(*exact) + ops.generator_bce(fake=exact[1]), exact)
    for a, b in zip(got, wanted, strict=True):
        # the gradients of two losses, each rounded twice, add up in bfloat16
        torch.testing.assert_close(a.double(), b, rtol=2**-6, atol=2**-9)


EXTREMES = [np.inf, 1e4, 200, 87.5, 30, 1e-30, 1e-42, 0.0, -0.0, -1e-42, -30, -88, -1e4, -np.inf]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("form", ["number", "tensor", "flipped"])
def test_extremes(either, dtype, target, form):
    """Each logit alone: the tail, 0 or infinity, never NaN; the slope is finite."""
    # a weight of 0 and an infinite term: 0, unless the target puts weight there
    given = torch.tensor(1 - target if form == "flipped" else target, dtype=dtype)
    fake_target = given.expand(1) if form == "tensor" else float(given)
    flip = 1.0 if form == "flipped" else 0.0
    zero = torch.zeros(1, dtype=dtype)
    tiny = 1e-307 if dtype == torch.float64 else 1e-37
    for value in EXTREMES:
        x = torch.tensor([value], dtype=dtype, requires_grad=True)
        loss = ops.discriminator_bce(
            real=zero,
            fake=x,
            real_target=0.0,
            fake_target=fake_target,
            flip_probability=flip,
            seed=SEED,
        )
        wide = x.detach().double().numpy().astype(np.longdouble)[0]
        against = (1 - target) if wide > 0 else target
        tail = np.exp(-abs(wide))
        wanted = (abs(wide) * against if against else 0) + np.log1p(tail) + np.log(2)
        # relative, as the tail alone is tested below; log 2 comes from the other side
        np.testing.assert_allclose(loss.item(), float(wanted), rtol=EXACT.get(dtype, 1e-6))
        (slope,) = torch.autograd.grad(loss, x)
        by_hand = (1 / (1 + tail) if wide > 0 else tail / (1 + tail)) - target
        rtol = ROUNDING.get(dtype, 0) + EXACT.get(dtype, 1e-6)
        atol = 2**-25 if dtype == torch.float16 else tiny + target * (1 - target) * rtol
        if target == 1:
            by_hand = -(tail / (1 + tail) if wide > 0 else 1 / (1 + tail))
        np.testing.assert_allclose(slope.double().item(), float(by_hand), rtol=rtol, atol=atol)


def test_nan_stays_visible(either):
    x = torch.tensor([0.0, torch.nan, 2.0], requires_grad=True)
    target = torch.tensor([torch.nan, 1.0, 0.5])
    for loss in (
        ops.generator_bce(fake=x),
        ops.discriminator_bce(real=x, fake=x.detach(), real_target=0.5),
        ops.discriminator_bce(real=x[:1], fake=x[2:], real_target=target[:1]),
    ):
        assert loss.isnan()
    (slope,) = torch.autograd.grad(ops.generator_bce(fake=x), x)
    assert slope.isnan().tolist() == [False, True, False]


def test_compiles_whole(kernels, rng):
    compiled = torch.compile(both, fullgraph=True, dynamic=True, backend="aot_eager")
    arguments = logits(rng, 5, 7, dtype=torch.float32)
    assert torch.equal(compiled(*arguments), both(*arguments))
    grads = [torch.autograd.grad(f(*arguments), arguments) for f in (compiled, both)]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)  # two float32 losses added up
    with torch.compiler.set_stance("fail_on_recompile"):  # no size is part of the graph
        longer = [x.detach().repeat(3).requires_grad_() for x in arguments]
        assert torch.equal(compiled(*longer), both(*longer))
    with torch.no_grad():
        assert torch.equal(compiled(*arguments), both(*arguments))


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint_draws_the_same_targets(either, rng, reentrant):
    def step(real, fake):
        return ops.discriminator_bce(real=real, fake=fake, flip_probability=0.5)

    arguments = logits(rng, 40, 60)
    torch.manual_seed(3)
    plain = torch.autograd.grad(step(*arguments), arguments)
    torch.manual_seed(3)
    checkpoint(step, *arguments, use_reentrant=reentrant).backward()
    for a, leaf in zip(plain, arguments, strict=True):
        assert leaf.grad is not None and torch.equal(a, leaf.grad)


def test_the_switch_reaches_the_kernels(kernels, rng):
    """float32 roundings tell the backends apart."""
    real, fake = (x.detach() for x in logits(rng, 4096, 4096, dtype=torch.float32))
    raw = kernels.discriminator_bce_forward(
        real, fake, None, 0.7, 0.9, None, 0.1, 0.1, 0.3, SEED, False, False
    )[0]
    assert torch.equal(discriminate(real, fake), raw)
    with backend("reference"):
        plain = discriminate(real, fake)
        generated = ops.generator_bce(fake=fake)
    reference = ops.reference.discriminator_bce(real=real, fake=fake, **NOISY)
    assert torch.equal(plain, reference) and torch.equal(
        generated, ops.reference.generator_bce(fake=fake)
    )
    slopes = []
    for name in ("fused", "reference"):
        with backend(name):
            leaf = fake.clone().requires_grad_()
            slopes.append(torch.autograd.grad(ops.generator_bce(fake=leaf), leaf)[0])
    assert not torch.equal(*slopes)
