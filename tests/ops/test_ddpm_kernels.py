"""The DDPM kernels: every instruction set against float64, and the reference; refusals."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.library import opcheck

from genbench import ops
from genbench.ops.backend import backend, load_error

SEED = torch.tensor([-3, 6])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
# One rounding to the half types; a few roundings of the evaluation in float32 or float64, and
# 1e-6 of a normal number drawn in float32.
ROUNDING = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
ATOL = {torch.float64: 1e-13}
# Single rows, pieces of rows and rows many at once; vectors of 16 and chunks of 1024 elements.
SHAPES = [(1, 2100), (3, 1025), (9, 211), (90, 17), (700, 3), (1100, 1), (1030,), (4, 3, 5, 2)]
SCRIPT = f"""
g = torch.Generator().manual_seed(1)
ops, seed = torch.ops.genbench, torch.tensor([-3, 6])
for shape in {SHAPES}:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        x, e, z = (torch.randn(shape, generator=g).to(dtype) for _ in range(3))
        a, b, s = (0.1 + 0.8 * torch.rand(shape[0], generator=g).double() for _ in range(3))
        s[::3] = 0
        rows, numbers = (a, 0.0, b.to(dtype), 0.0, s, 0.0), (None, 0.9, None, 0.5, None, 0.25)
        found = []
        for schedule in (rows, numbers):
            bar = schedule[2:4]
            found.append([
                ops.ddpm_add_noise(x, z, *bar),
                *ops.ddpm_draw_noise(x, seed, *bar),
                ops.ddpm_step(x, e, *schedule, z, None),
                ops.ddpm_step(x, e, *schedule, None, seed),
                ops.ddpm_step(x, e, *schedule[:4], None, 0.0, None, None),
                *ops.ddpm_add_noise_backward(x, *bar, True, True),
                *ops.ddpm_step_backward(x, *schedule, True, True, True),
            ])
        out[shape, dtype] = (x, e, z, a, b.to(dtype), s), found
"""


@pytest.fixture(scope="module")
def results(in_instruction_set):
    return in_instruction_set(SCRIPT)


def expected(x, e, z, schedule, noise, drawn):
    """What SCRIPT computes, in float64; noise drawn in the dtype, and in the compute type."""
    alpha, bar, sigma = schedule
    scale, part = alpha.rsqrt(), (1 - alpha) * (1 - bar).rsqrt()
    mean = scale * x - scale * part * e
    signal, rest = bar.sqrt(), (1 - bar).sqrt()
    steps = mean + sigma * z, mean + sigma * drawn, mean
    slopes = signal * x, rest * x, scale * x, -scale * part * x, sigma * x
    return signal * x + rest * z, signal * x + rest * noise, noise, *steps, *slopes


@pytest.mark.parametrize("dtype", FLOATS)
def test_instruction_sets(results, dtype):
    wide = torch.promote_types(dtype, torch.float32)
    numbers = [torch.full((), c, dtype=torch.float64) for c in (0.9, 0.5, 0.25)]
    for shape in SHAPES:
        inputs, found = results[shape, dtype]
        x, e, z, *rows = (t.double() for t in inputs)
        drawn = ops.reference.normal(shape, seed=SEED, dtype=wide).double()
        for schedule, got in zip((rows, numbers), found, strict=True):
            schedule = [c.reshape(-1, *[1] * (x.ndim - 1)) for c in schedule]
            noise = got[2].double()  # compared with the oracle's below; x_t is computed of it
            wanted = expected(x, e, z, schedule, noise, drawn)
            torch.testing.assert_close(noise, drawn, rtol=ROUNDING.get(dtype, 0), atol=2e-6)
            for a, b in zip(got, wanted, strict=True):
                assert a.dtype == dtype
                rtol, atol = ROUNDING.get(dtype, 0), ATOL.get(dtype, 4e-6)
                torch.testing.assert_close(a.double(), b, rtol=rtol, atol=atol)


sizes = st.tuples(st.integers(0, 40), st.integers(0, 70)) | st.tuples(st.integers(0, 2100))
kinds = st.sampled_from(["number", "0-d", "row", "half row"])
unit = st.floats(0.01, 0.99)


def coefficient(kind, value, rows):
    row = value * torch.linspace(0.5, 1, rows)
    every = {"number": value, "0-d": torch.tensor(value).double(), "row": row.double()}
    return every.get(kind, row.bfloat16())


@pytest.mark.skipif(load_error() is not None, reason="no extension")
@given(
    shape=sizes,
    kinds=st.tuples(kinds, kinds, kinds),
    values=st.tuples(unit, unit, st.just(0.0) | unit),
    dtype=st.sampled_from(FLOATS),
    key=st.integers(-(2**63), 2**63 - 1),
    drawn=st.booleans(),
)
def test_fused_is_the_reference(shape, kinds, values, dtype, key, drawn):
    """A result may round the other way in a half type: one unit in the last place apart."""
    rng = torch.Generator().manual_seed(key % 2**32)
    x, e, z = (torch.randn(shape, generator=rng).to(dtype) for _ in range(3))
    rows = [coefficient(k, v, shape[0]) for k, v in zip(kinds, values, strict=True)]
    schedule = dict(zip(("alpha", "alpha_bar", "sigma"), rows, strict=True))
    source: dict[str, Any] = {"seed": torch.tensor([key, key % 7])} if drawn else {"noise": z}
    found = []
    for name in ("fused", "reference"):
        with backend(name):
            stepped = ops.ddpm_step(x, e, **schedule, **source)
            found.append([stepped, *ops.ddpm_add_noise(x, rows[1], **source)])
    # 1 - alpha_bar is at least .01: a division by .1
    rtol, atol = 2 * ROUNDING.get(dtype, 0), 1e-12 if dtype == torch.float64 else 1e-4
    for fused, plain in zip(*found, strict=True):
        torch.testing.assert_close(fused, plain, rtol=rtol, atol=atol)


def test_the_kernels_take_the_calls(kernels, rng):
    """float32 roundings tell the backends apart."""
    x, e = torch.randn((2, 64, 64), generator=rng)
    schedule: dict[str, Any] = {"alpha": 0.9, "alpha_bar": 0.3, "sigma": 0.7}
    fused = [*ops.ddpm_add_noise(x, 0.3, seed=SEED), ops.ddpm_step(x, e, **schedule, seed=SEED)]
    with backend("reference"):
        plain = [*ops.ddpm_add_noise(x, 0.3, seed=SEED), ops.ddpm_step(x, e, **schedule, seed=SEED)]
    raw = [
        *kernels.ddpm_draw_noise(x, SEED, None, 0.3),
        kernels.ddpm_step(x, e, None, 0.9, None, 0.3, None, 0.7, None, SEED),
    ]
    for a, b, c in zip(fused, raw, plain, strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.mark.parametrize("shape", [(1, 100_003), (300, 1000), (70_000, 2)], ids=str)
def test_threads_do_not_change_a_bit(kernels, rng, shape):
    x, e = torch.randn((2, *shape), generator=rng)
    row = torch.rand(shape[0], generator=rng)
    schedule = (row, 0.0, None, 0.5, row, 0.0)
    found, before = [], torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(
            [
                *kernels.ddpm_draw_noise(x, SEED, row, 0.0),
                kernels.ddpm_step(x, e, *schedule, None, SEED),
                *kernels.ddpm_add_noise_backward(x, row, 0.0, True, True),
                *kernels.ddpm_step_backward(x, *schedule, True, True, True),
            ]
        )
    torch.set_num_threads(before)
    for one, two, three in zip(*found, strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)


def test_opcheck(kernels, rng):
    x, row = torch.randn(3, 5, generator=rng), torch.rand(3, generator=rng)
    rows, numbers = (row, 0.0, row, 0.0, row, 0.0), (None, 0.9, row[0], 0.0, None, 0.0)
    for bar in ((row, 0.0), (None, 0.5)):
        opcheck(kernels.ddpm_add_noise.default, (x, x, *bar))
        opcheck(kernels.ddpm_draw_noise.default, (x.bfloat16(), SEED, *bar))
        opcheck(kernels.ddpm_add_noise_backward.default, (x, *bar, True, bar[0] is None))
    for schedule, source in ((rows, (x, None)), (rows, (None, SEED)), (numbers, (None, None))):
        opcheck(kernels.ddpm_step.default, (x, x, *schedule, *source))
    opcheck(kernels.ddpm_step_backward.default, (x, *rows, True, True, True))
    opcheck(kernels.ddpm_step_backward.default, (x[:0], *numbers, False, True, False))


M = torch.zeros(2, 3)
BAR = (None, 0.5)
STEP = (None, 0.9, None, 0.5, None, 0.1)
RAW = [
    ("ddpm_add_noise", (M.long(), M.long(), *BAR), "dtype must be float16"),
    ("ddpm_add_noise", (M[0, 0], M[0, 0], *BAR), "x0 must have at least one dimension"),
    ("ddpm_add_noise", (M, M[:1], *BAR), "noise must have x0's shape"),
    ("ddpm_add_noise", (M, M.double(), *BAR), "noise must have x0's dtype"),
    ("ddpm_add_noise", (M, M, M[0], 0.0), "alpha_bar must have shape () or (batch,)"),
    ("ddpm_add_noise", (M, M, M[:, 0].int(), 0.0), "alpha_bar must be float16"),
    ("ddpm_draw_noise", (M, SEED.float(), *BAR), "seed must be an int64 tensor"),
    ("ddpm_draw_noise", (M, torch.zeros(3).long(), *BAR), "seed must have shape"),
    ("ddpm_draw_noise", (M.bool(), SEED, *BAR), "dtype must be float16"),
    ("ddpm_add_noise_backward", (M[0, 0], *BAR, True, True), "grad must have at least one"),
    ("ddpm_add_noise_backward", (M, M, 0.0, True, True), "alpha_bar must have shape"),
    ("ddpm_step", (M, M.T, *STEP, None, SEED), "predicted_noise must have x_t's shape"),
    ("ddpm_step", (M, M.half(), *STEP, None, SEED), "predicted_noise must have x_t's dtype"),
    ("ddpm_step", (M, M, *STEP, M.T, None), "noise must have x_t's shape"),
    ("ddpm_step", (M, M, *STEP, M, SEED), "give one of noise and seed"),
    ("ddpm_step", (M, M, *STEP, None, None), "give noise or seed, or the number 0 as sigma"),
    ("ddpm_step", (M, M, *STEP[:4], M[:, 0], 0.0, None, None), "give noise or seed"),
    ("ddpm_step", (M, M, M[0], *STEP[1:], M, None), "alpha must have shape () or (batch,)"),
    ("ddpm_step", (M, M, *STEP[:2], M[0], *STEP[3:], M, None), "alpha_bar must have shape"),
    ("ddpm_step", (M, M, *STEP[:4], M[0], 0.0, M, None), "sigma must have shape"),
    ("ddpm_step", (M[0, 0], M[0, 0], *STEP, None, SEED), "x_t must have at least one dimension"),
    ("ddpm_step_backward", (M.int(), *STEP, True, True, True), "dtype must be float16"),
    ("ddpm_step_backward", (M, *STEP[:4], M[0], 0.0, True, True, True), "sigma must have shape"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), RAW)
def test_raw_operations_refuse(kernels, refuses, name, arguments, words):
    with refuses(RuntimeError, f"genbench::{name}: ", words):
        getattr(kernels, name)(*arguments)
