"""The cross-entropy kernels: every instruction set, tails, drawn targets, errors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genbench import ops

SEED = torch.tensor([-3, 6])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INT64 = st.integers(-(2**63), 2**63 - 1)
# Terms and slopes are a few roundings of the type they are computed in.
EXACT = {torch.float64: 1e-14}
ROUNDING = {torch.float16: 2**-11, torch.bfloat16: 2**-8}  # of a slope as it is stored
PLAIN = (None, 1.0, 1.0, None, 0.0, 0.0, 0.0, None)
NOISY = (None, 0.7, 0.9, None, 0.0, 0.3, 0.2, SEED)


def oracle(x, t):
    """bce and sigmoid(x) - t of each logit in long doubles, by the sums that cancel nowhere."""
    x, t = (v.double().numpy().astype(np.longdouble) for v in (x, t))
    tail = np.exp(-abs(x))
    loss = np.where(x > 0, 1 - t, t) * abs(x) + np.log1p(tail)
    sure, rest = 1 / (1 + tail), tail / (1 + tail)
    positive, negative = np.where(x > 0, sure, rest), np.where(x > 0, rest, sure)
    return loss, (1 - t) * positive - t * negative


def check(logits, targets, loss, slopes):
    """One loss over both sides, and the slope of each logit."""
    dtype = logits[0].dtype
    expected = 0
    for x, t, slope in zip(logits, targets, slopes, strict=True):
        terms, slope_x = oracle(x, t)
        expected = expected + terms.mean()
        bound = EXACT.get(dtype, 1e-6)
        half = ROUNDING.get(dtype, 0)
        tiny = 2**-25 if dtype == torch.float16 else 1e-37  # float16's subnormals, float's 0
        error, spread = abs(slope.double().numpy() - slope_x), (t * (1 - t)).double().numpy()
        # absolute where (1 - t) s - t r cancels, relative in the tails
        assert (error <= (half + bound) * abs(slope_x) + spread * bound + tiny).all()
    np.testing.assert_allclose(loss.item(), float(expected), rtol=EXACT.get(dtype, 1e-6))


SCRIPT = """
g = torch.Generator().manual_seed(1)
seed = torch.tensor([-3, 6])
for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
    real, fake = ((20 * torch.randn(n, generator=g).double()).to(dtype) for n in (2311, 77))
    target = torch.rand(2311, generator=g).to(dtype)
    forward = torch.ops.genbench.discriminator_bce_forward
    out[dtype] = {"real": real, "fake": fake, "target": target}
    for name, options in {
        "plain": (None, 1.0, 1.0, None, 0.0, 0.0, 0.0, None),
        "soft": (target, 0.0, 0.0, None, 0.1, 0.1, 0.0, None),
        "noisy": (None, 0.7, 0.9, None, 0.0, 0.3, 0.2, seed),
    }.items():
        loss, *slopes = forward(real, fake, *options, True, True)
        scaled = torch.ops.genbench.gan_bce_backward(loss, *slopes)
        out[dtype][name] = [loss, *slopes, *scaled]
"""


@pytest.fixture(scope="module")
def results(in_instruction_set):
    return in_instruction_set(SCRIPT)


def drawn(count, low, high, flip, stream, dtype):
    """Targets by the reference noise, in the type that the kernel computes in."""
    wide = torch.promote_types(dtype, torch.float32)
    u = ops.reference.uniform(count, seed=SEED, stream=stream, dtype=wide)
    t = low + (high - low) * u
    flipped = ops.reference.uniform(count, seed=SEED, stream=stream + 1, dtype=torch.float64) < flip
    return torch.where(flipped, 1 - t, t)


@pytest.mark.parametrize("dtype", FLOATS)
def test_instruction_sets(results, dtype):
    of = results[dtype]
    logits = of["real"], of["fake"]
    wide = torch.promote_types(dtype, torch.float32)
    number = lambda i, t: torch.full(logits[i].shape, t, dtype=wide)  # noqa: E731
    targets = {
        "plain": (number(0, 1.0), number(1, 0.0)),
        "soft": (of["target"], number(1, 0.1)),
        "noisy": (drawn(2311, 0.7, 0.9, 0.2, 0, dtype), drawn(77, 0, 0.3, 0.2, 2, dtype)),
    }
    for name, wanted in targets.items():
        loss, *slopes = of[name][:3]
        check(logits, wanted, loss, slopes)
        for slope, scaled in zip(slopes, of[name][3:], strict=True):
            by_hand = slope.double() * loss.double() / slope.numel()
            rtol, atol = ROUNDING.get(dtype, 1e-6), 2**-25 if dtype == torch.float16 else 1e-44
            torch.testing.assert_close(scaled.double(), by_hand, rtol=rtol, atol=atol)


targets = st.one_of(
    st.sampled_from([0.0, 1.0, 0.9]), st.tuples(st.just(0.6), st.floats(0.6, 1)), st.just("tensor")
)


@given(
    shapes=st.tuples(st.integers(1, 70), st.integers(1, 9)),
    real_target=targets,
    fake_target=targets,
    flip=st.sampled_from([0, 0, 0.3, 1.0]),
    key=INT64,
    first=INT64,
    scale=st.floats(1e-3, 40),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_case(shapes, real_target, fake_target, flip, key, first, scale, dtype):
    """Loss and gradients of the public function and of its reference formula."""
    g = torch.Generator().manual_seed(shapes[0])
    real, fake = (
        (scale * torch.randn(n, generator=g, dtype=torch.float64)).to(dtype).requires_grad_()
        for n in shapes
    )
    like = [torch.rand(n, generator=g, dtype=torch.float64).to(dtype) for n in shapes]
    pick = [like[i] if t == "tensor" else t for i, t in enumerate((real_target, fake_target))]
    found = []
    for api in (ops, ops.reference):
        loss = api.discriminator_bce(
            real=real,
            fake=fake,
            real_target=pick[0],
            fake_target=pick[1],
            flip_probability=flip,
            seed=torch.tensor([key, first]),
        )
        found.append([loss, *torch.autograd.grad(loss, (real, fake))])
    # float32: roundings of terms up to 100 times the loss, and of the targets drawn
    rtol = 1e-13 if dtype == torch.float64 else 1e-5
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=rtol / 10)


def test_tiny_losses_keep_their_digits(kernels):
    """softplus(-x) from 1e-35 to 0.7 within 3 units of the last place."""
    x = torch.cat([torch.linspace(0, 80, 4001), torch.logspace(-20, 0, 50)]).double()
    for dtype, unit in ((torch.float32, 2**-23), (torch.float64, 2**-52)):
        logits = x.to(dtype)
        wanted = np.log1p(np.exp(-logits.double().numpy().astype(np.longdouble)))
        losses = [kernels.generator_bce_forward(v, False, False)[0].item() for v in logits]
        np.testing.assert_allclose(losses, wanted.astype(float), rtol=3 * unit)


@pytest.mark.parametrize("word", ["low", "high"])
def test_flips_compare_exactly(kernels, word):
    """A probability just above (w + 1/2) / 2^32 flips the word w, the number itself does not."""
    u = ops.reference.uniform(2000, seed=SEED, stream=1, dtype=torch.float64)
    at = int(u.argmin() if word == "low" else u.argmax())
    x, seed = torch.tensor([5.0]), torch.tensor([-3, 6 + at])
    loss = {}
    for p in (u[at].item(), np.nextafter(u[at].item(), 1), np.nextafter(u[at].item(), 0)):
        options = (None, 1.0, 1.0, None, 0.0, 0.0, p, seed)
        loss[p], slope, _ = kernels.discriminator_bce_forward(x, -50 + 0 * x, *options, True, False)
        assert (slope > 0.9) == (p > u[at].item())  # flipped: sigmoid(5), else sigmoid(5) - 1
    for p, flipped in ((0.0, False), (5e-324, False), (2**-33, False), (1.0, True)):
        options = (None, 1.0, 1.0, None, 0.0, 0.0, p, seed)
        slope = kernels.discriminator_bce_forward(x, x, *options, True, False)[1]
        assert (slope > 0.9) == flipped


def test_a_logit_keeps_its_bits_wherever_it_lies(kernels):
    """Slopes of a part of the logits, numbered on from the whole, are part of the whole's."""
    x = 4 * torch.randn(3000, generator=torch.Generator().manual_seed(0))
    whole = kernels.discriminator_bce_forward(x, x, *NOISY, True, True)[1:]
    for first, last in ((1, 2), (1023, 1025), (5, 2900)):
        seed = torch.tensor([-3, 6 + first])
        part = x[first:last]
        slopes = kernels.discriminator_bce_forward(part, part, *NOISY[:-1], seed, True, True)[1:]
        for a, b in zip(slopes, whole, strict=True):
            assert torch.equal(a, b[first:last])


def test_sums_of_large_float32_logits_are_finite(kernels):
    x = torch.full((4096,), -3e38)
    assert kernels.generator_bce_forward(x, False, False)[0] == x[0].abs()


def test_unwanted_slopes_are_empty(kernels):
    x = torch.ones(2, 3)
    for wanted in ((True, False), (False, True), (False, False)):
        _, *slopes = kernels.discriminator_bce_forward(x, x, *PLAIN, *wanted)
        assert [s.shape == x.shape for s in slopes] == list(wanted)
        assert all(s.numel() == 0 for s, w in zip(slopes, wanted, strict=True) if not w)
    assert kernels.generator_bce_forward(x, True, False)[1].shape == (0,)


M, ONE = torch.zeros(2, 3), torch.ones(())


def changed(i, value):
    return (M, M, *PLAIN[:i], value, *PLAIN[i + 1 :], True, True)


D, G, B = "discriminator_bce_forward", "generator_bce_forward", "gan_bce_backward"
RAW = [
    (D, (M.long(), M.long(), *PLAIN, True, True), "dtype must be float16"),
    (D, (M, M.double(), *PLAIN, True, True), "fake must have real's dtype"),
    (D, (M[:0], M, *PLAIN, True, True), "real must not be empty"),
    (D, (M, M[:, :0], *PLAIN, True, True), "fake must not be empty"),
    (D, changed(0, M.T), "real_target must have real's shape"),
    (D, changed(3, M.double()), "fake_target must have fake's dtype"),
    (D, changed(1, -0.5), "real_target must be in [0, 1], got -0.5"),
    (D, changed(2, 0.5), "real_target must be in [1, 1], got 0.5"),
    (D, changed(5, torch.nan), "fake_target must be in [0, 1], got nan"),
    (D, changed(6, 1.5), "flip_probability must be in [0, 1], got 1.5"),
    (D, changed(6, 0.5), "seed must be given where targets are drawn"),
    (D, changed(5, 0.5), "seed must be given where targets are drawn"),
    (D, changed(7, SEED.float()), "seed must be an int64 tensor"),
    (G, (M.int(), False, True), "dtype must be float16"),
    (G, (M[:0], False, True), "fake must not be empty"),
    (B, (ONE, None, None), "give real_slope or fake_slope"),
    (B, (ONE, M, M.double()), "fake_slope must have real_slope's dtype"),
    (B, (ONE.double(), M, None), "grad_loss must be like the loss"),
    (B, (torch.ones(1), M, None), "grad_loss must be like the loss"),
    (B, (ONE, M.long(), None), "dtype must be float16"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), RAW)
def test_raw_operations_refuse(kernels, refuses, name, arguments, words):
    with refuses(RuntimeError, f"genbench::{name}: ", words):
        getattr(kernels, name)(*arguments)
