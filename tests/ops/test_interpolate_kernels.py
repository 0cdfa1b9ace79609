"""The interpolate kernels: every instruction set against float64; the reference; refusals."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.library import opcheck
from torch.utils.checkpoint import checkpoint

from genbench import ops
from genbench.ops.backend import backend, load_error

SEED = torch.tensor([-3, 6])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
# One rounding to the half types; a few roundings of the evaluation in float32 or float64.
ROUNDING = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
# Single rows, pieces of rows and rows many at once; vectors of 16 and chunks of 1024 elements.
SHAPES = [(1, 2100), (3, 1025), (5, 300), (9, 211), (70, 16), (90, 17), (700, 3), (1500, 2)]
SHAPES += [(1100, 1), (1030,), (4, 3, 5, 2), (1, 1), (2, 15)]
SCRIPT = f"""
g = torch.Generator().manual_seed(1)
for shape in {SHAPES}:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        real, fake, grad = (torch.randn(shape, generator=g).to(dtype) for _ in range(3))
        alpha = torch.rand(shape[0], generator=g, dtype=torch.float64).to(dtype)
        given = (alpha, 0.0, None), (None, 0.0, torch.tensor([-3, 6])), (None, 0.3, None)
        op, back = torch.ops.genbench.interpolate, torch.ops.genbench.interpolate_backward
        found = [[op(real, fake, *a), *back(grad, *a, True, True)] for a in given]
        out[shape, dtype] = real, fake, grad, alpha, found
"""


@pytest.fixture(scope="module")
def results(in_instruction_set):
    return in_instruction_set(SCRIPT)


@pytest.mark.parametrize("dtype", FLOATS)
def test_instruction_sets(results, dtype):
    for shape in SHAPES:
        real, fake, grad, alpha, found = results[shape, dtype]
        wide = torch.promote_types(dtype, torch.float32)
        drawn = ops.reference.uniform(shape[0], seed=SEED, dtype=wide).double()
        number = torch.full((), 0.3, dtype=torch.float64)
        for weight, (out, *grads) in zip((alpha.double(), drawn, number), found, strict=True):
            weight = weight.reshape(-1, *[1] * (real.ndim - 1))
            wanted = torch.lerp(fake.double(), real.double(), weight)
            slopes = weight * grad.double(), (1 - weight) * grad.double()
            atol = 1e-14 if dtype == torch.float64 else 1e-6
            for got, expected in zip((out, *grads), (wanted, *slopes), strict=True):
                assert got.dtype == dtype
                rtol = ROUNDING.get(dtype, 0)
                torch.testing.assert_close(got.double(), expected, rtol=rtol, atol=atol)


sizes = st.tuples(st.integers(0, 40), st.integers(0, 70)) | st.tuples(st.integers(0, 2100))
alphas = st.sampled_from(["number", "0-d", "row", "half row", "seed"])


@pytest.mark.skipif(load_error() is not None, reason="no extension")
@given(
    shape=sizes, kind=alphas, dtype=st.sampled_from(FLOATS), key=st.integers(-(2**63), 2**63 - 1)
)
def test_fused_is_the_reference(shape, kind, dtype, key):
    """A result may round the other way in a half type: one unit in the last place apart."""
    rng = torch.Generator().manual_seed(key % 2**32)
    real, fake = (torch.randn(shape, generator=rng).to(dtype) for _ in range(2))
    row = torch.rand(shape[0], generator=rng)
    given = {
        "number": {"alpha": key % 1000 / 1000},
        "0-d": {"alpha": torch.tensor(key % 1000 / 1000)},
        "row": {"alpha": row},
        "half row": {"alpha": row.bfloat16()},
        "seed": {"seed": torch.tensor([key, key % 7])},
    }[kind]
    with backend("fused"):
        fused = ops.interpolate(real=real, fake=fake, **given)
    plain = ops.reference.interpolate(real=real, fake=fake, **given)
    atol = 1e-14 if dtype == torch.float64 else 2e-6
    torch.testing.assert_close(fused, plain, rtol=2 * ROUNDING.get(dtype, 0), atol=atol)


def leaves(rng, *shape):
    return [torch.randn(shape, generator=rng).double().requires_grad_() for _ in range(2)]


@pytest.mark.parametrize("shape", [(4,), (3, 2), (2, 3, 6)], ids=str)
@pytest.mark.parametrize("kind", ["number", "row", "seed"])
def test_gradients(either, rng, shape, kind):
    row = torch.rand(shape[0], generator=rng)
    source = {"number": {"alpha": 0.3}, "row": {"alpha": row}, "seed": {"seed": SEED}}[kind]
    point = lambda r, f: ops.interpolate(real=r, fake=f, **source)  # noqa: E731
    real, fake = leaves(rng, *shape)
    assert gradcheck(point, (real, fake))
    assert gradgradcheck(point, (real, fake))
    for one, other in ((real, fake.detach()), (real.detach(), fake)):  # one gradient alone
        (need,) = [x for x in (one, other) if x.requires_grad]
        out = point(one, other)
        (alone,) = torch.autograd.grad(out, need, torch.ones_like(out), retain_graph=True)
        (drawn,) = torch.autograd.grad(out.sum(), need, create_graph=True)
        torch.testing.assert_close(alone, drawn.detach(), rtol=1e-15, atol=0)


def test_a_learned_alpha_has_its_gradient(either, rng):
    real, fake = (x.detach() for x in leaves(rng, 3, 5))
    alpha = torch.rand(3, generator=rng, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(ops.interpolate(real=real, fake=fake, alpha=alpha).sum(), alpha)
    torch.testing.assert_close(slope, (real - fake).sum(1))


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint_draws_the_same_alpha(either, rng, reentrant):
    real, fake = leaves(rng, 4, 6)
    step = lambda r, f: ops.interpolate(real=r, fake=f).square().sum()  # noqa: E731
    torch.manual_seed(3)
    plain = torch.autograd.grad(step(real, fake), (real, fake))
    torch.manual_seed(3)
    checkpoint(step, real, fake, use_reentrant=reentrant).backward()
    for a, leaf in zip(plain, (real, fake), strict=True):
        assert leaf.grad is not None and torch.equal(a, leaf.grad)


def test_compiles_with_gradients(either, rng):
    real, fake = leaves(rng, 3, 5)
    alpha = torch.rand(3, generator=rng)

    def loss(real, fake, alpha, seed):
        drawn = ops.interpolate(real=real, fake=fake, seed=seed)
        return (drawn * ops.interpolate(real=real, fake=fake, alpha=alpha)).sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for seed in (SEED, torch.tensor([4, 1])):
        grads = [
            torch.autograd.grad(f(real, fake, alpha, seed), (real, fake)) for f in (compiled, loss)
        ]
        for a, b in zip(*grads, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)


def test_the_kernel_takes_the_call(kernels, rng):
    """float32 roundings tell the backends apart."""
    real, fake, alpha = torch.randn(64, 64), torch.randn(64, 64), torch.rand(64)
    fused = ops.interpolate(real=real, fake=fake, alpha=alpha)
    assert torch.equal(fused, kernels.interpolate(real, fake, alpha, 0.0, None))
    assert not torch.equal(fused, ops.reference.interpolate(real=real, fake=fake, alpha=alpha))


@pytest.mark.parametrize("shape", [(1, 100_003), (300, 1000), (70_000, 2), (90_001,)], ids=str)
def test_threads_do_not_change_a_bit(kernels, rng, shape):
    real, fake = torch.randn((2, *shape), generator=rng)
    found, before = [], torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        out = kernels.interpolate(real, fake, None, 0.0, SEED)
        found.append([out, *kernels.interpolate_backward(real, None, 0.0, SEED, True, True)])
    torch.set_num_threads(before)
    for one, two, three in zip(*found, strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)


def test_opcheck(kernels, rng):
    alpha = torch.rand(3, generator=rng)
    sources = ((alpha, 0.0, None), (alpha[0].double(), 0.0, None), (None, 0.0, SEED))
    for source in sources:
        x = torch.randn(3, 5, generator=rng)
        opcheck(kernels.interpolate.default, (x, x, *source))
        opcheck(kernels.interpolate_backward.default, (x.bfloat16(), *source, True, True))
    empty = torch.zeros(0, 3)
    opcheck(kernels.interpolate.default, (empty, empty, None, 0.5, None))
    opcheck(kernels.interpolate_backward.default, (x, None, 0.5, None, False, True))


M = torch.zeros(2, 3)
RAW = [
    ("interpolate", (M.long(), M.long(), None, 0.5, None), "dtype must be float16"),
    ("interpolate", (M[0, 0], M[0, 0], None, 0.5, None), "real must have at least one dimension"),
    ("interpolate", (M, M[:1], None, 0.5, None), "fake must have real's shape"),
    ("interpolate", (M, M.double(), None, 0.5, None), "fake must have real's dtype"),
    ("interpolate", (M, M, M[:, 0], 0.0, SEED), "give one of alpha and seed"),
    ("interpolate", (M, M, M[0], 0.0, None), "alpha must have shape () or (batch,)"),
    ("interpolate", (M, M, M[:, :1], 0.0, None), "alpha must have shape () or (batch,)"),
    ("interpolate", (M, M, M[:, 0].int(), 0.0, None), "alpha must be float16"),
    ("interpolate", (M, M, None, 0.0, SEED.float()), "seed must be an int64 tensor"),
    ("interpolate", (M, M, None, 0.0, torch.zeros(3).long()), "seed must have shape"),
    ("interpolate_backward", (M[0, 0], None, 0.5, None, True, True), "grad must have at least one"),
    ("interpolate_backward", (M, M[0], 0.5, None, True, True), "alpha must have shape"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), RAW)
def test_raw_operations_refuse(kernels, refuses, name, arguments, words):
    with refuses(RuntimeError, f"genbench::{name}: ", words):
        getattr(kernels, name)(*arguments)
