"""Interpolated points against torch.lerp, and the weights recovered from the result."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from genbench.ops import reference as ref

KEY = torch.tensor([5])
# Half dtypes round once, at the end (unit roundoff, with the float32 evaluation's 1 % beside it);
# the others at each of a few products and sums.
ROUNDING = {
    torch.float16: 1.01 * 2.0**-11,
    torch.bfloat16: 1.01 * 2.0**-8,
    torch.float32: 1e-6,
    torch.float64: 1e-14,
}


def pair(rng, *shape, dtype=torch.float64):
    real, fake = torch.randn((2, *shape), generator=rng, dtype=torch.float64)
    return real.to(dtype), fake.to(dtype)


def lerp(real, fake, alpha):
    """From the fake end in float64; alpha: a number or (B,)."""
    alpha = torch.as_tensor(alpha, dtype=torch.float64)
    weight = alpha.reshape(-1, *[1] * (real.ndim - 1)) if alpha.ndim else alpha
    return torch.lerp(fake.double(), real.double(), weight)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_dtypes_and_layouts(api, layout, rng, dtype):
    real, fake = (layout(t) for t in pair(rng, 4, 3, 5, 2, dtype=dtype))
    alpha = torch.rand(len(real), generator=rng)
    out = api.interpolate(real=real, fake=fake, alpha=alpha)
    assert out.dtype == dtype and out.shape == real.shape
    small = 1e-14 if dtype == torch.float64 else 1e-6  # where the terms cancel
    expected = lerp(real, fake, alpha)
    torch.testing.assert_close(out.double(), expected, rtol=ROUNDING[dtype], atol=small)


numbers = st.floats(-1e6, 1e6)


@given(ends=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5), alpha=st.floats(0, 1))
def test_any_points_lie_on_the_segment(ends, alpha):
    real, fake = torch.tensor(ends, dtype=torch.float64).T
    out = ref.interpolate(real=real, fake=fake, alpha=alpha)
    largest = torch.maximum(real.abs(), fake.abs())
    rounding = 4 * 2.0**-52 * largest + 1e-307  # two products and a sum; subnormals
    assert (out >= torch.minimum(real, fake) - rounding).all()
    assert (out <= torch.maximum(real, fake) + rounding).all()
    assert ((out - lerp(real, fake, alpha)).abs() <= rounding).all()


def test_ends_are_exact(api, rng):
    real, fake = pair(rng, 3, 4, dtype=torch.float32)
    alpha = torch.tensor([1.0, 0.0, 1.0])
    out = api.interpolate(real=real, fake=fake, alpha=alpha)
    assert torch.equal(out, torch.stack([real[0], fake[1], real[2]]))
    assert torch.equal(api.interpolate(real=real, fake=fake, alpha=1), real)
    assert torch.equal(api.interpolate(real=real, fake=fake, alpha=0), fake)


def test_one_weight_a_sample_uniform(api, rng):
    """Public code was seen to draw a weight for every pixel, which leaves the segment."""
    real, fake = pair(rng, 4000, 3, 2)
    out = api.interpolate(real=real, fake=fake, seed=KEY)
    weight = ((out - fake) / (real - fake)).flatten(1)
    expected = api.uniform(4000, seed=KEY, dtype=torch.float64)
    # the recovered weight's rounding grows as real and fake come close
    error = (weight - expected[:, None]).abs() * (real - fake).abs().flatten(1)
    assert error.max() < 1e-14
    assert abs(expected.mean() - 0.5) < 4 / (12 * 4000) ** 0.5


def test_shards_are_pieces_of_the_whole(api, rng):
    real, fake = pair(rng, 10, 3)
    whole = api.interpolate(real=real, fake=fake, seed=KEY)
    for first, last in ((0, 3), (3, 4), (4, 10)):
        seed = torch.tensor([5, first])
        piece = api.interpolate(real=real[first:last], fake=fake[first:last], seed=seed)
        assert torch.equal(piece, whole[first:last])


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0), (1,), (1, 2, 2)])
def test_empty_and_single(api, rng, shape):
    real, fake = pair(rng, *shape)
    out = api.interpolate(real=real, fake=fake, seed=KEY)
    alpha = api.uniform(shape[0], seed=KEY, dtype=torch.float64)
    assert out.shape == shape
    torch.testing.assert_close(out, lerp(real, fake, alpha))


@pytest.mark.parametrize("alpha", [0.3, torch.tensor(0.3), torch.full((3,), 0.3).double()])
def test_kinds_of_alpha_agree(api, rng, alpha):
    real, fake = pair(rng, 3, 4, dtype=torch.float32)
    out = api.interpolate(real=real, fake=fake, alpha=alpha)
    torch.testing.assert_close(out.double(), lerp(real, fake, 0.3), rtol=1e-6, atol=1e-6)


def test_mixed_dtypes_take_the_wider(api, rng):
    """Under autocast a generator may return bfloat16 for float32 data."""
    real, fake = pair(rng, 3, 4, dtype=torch.float32)
    out = api.interpolate(real=real, fake=fake.bfloat16(), alpha=0.25)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.double(), lerp(real, fake.bfloat16(), 0.25), rtol=0, atol=1e-6)
    halves = api.interpolate(real=real.half(), fake=fake.bfloat16(), alpha=0.25)
    assert halves.dtype == torch.float32


def test_gradients(api, rng):
    real, fake = (t.requires_grad_() for t in pair(rng, 3, 2))
    alpha = torch.rand(3, generator=rng, dtype=torch.float64).requires_grad_()
    point = lambda r, f, a: api.interpolate(real=r, fake=f, alpha=a)  # noqa: E731
    assert gradcheck(point, (real, fake, alpha))
    assert gradgradcheck(point, (real, fake, alpha))
    assert gradcheck(lambda r, f: api.interpolate(real=r, fake=f, seed=KEY), (real, fake))


def test_generators(api, rng):
    real, fake = pair(rng, 6, 2)
    twice = [
        api.interpolate(real=real, fake=fake, generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    ]
    assert torch.equal(*twice)
    torch.manual_seed(3)
    free = [api.interpolate(real=real, fake=fake) for _ in range(2)]
    torch.manual_seed(3)
    assert torch.equal(free[0], api.interpolate(real=real, fake=fake))
    assert not torch.equal(*free)


def test_vmap_maps_everything(api, rng):
    real, fake = pair(rng, 4, 3, 2)
    seeds = torch.tensor([[1], [2], [-3], [1]])
    point = lambda r, f, s: api.interpolate(real=r, fake=f, seed=s)  # noqa: E731
    rows = torch.stack([point(*row) for row in zip(real, fake, seeds, strict=True)])
    torch.testing.assert_close(torch.vmap(point)(real, fake, seeds), rows)
    weigh = lambda r, f, a: api.interpolate(real=r, fake=f, alpha=a)  # noqa: E731
    alpha = torch.rand(4, generator=rng)
    rows = torch.stack([weigh(*row) for row in zip(real, fake, alpha, strict=True)])
    torch.testing.assert_close(torch.vmap(weigh)(real, fake, alpha), rows)


def test_compiles_whole(api, rng):
    real, fake = pair(rng, 4, 3)
    compiled = torch.compile(api.interpolate, fullgraph=True, backend="aot_eager")
    expected = api.interpolate(real=real, fake=fake, seed=KEY)
    torch.testing.assert_close(compiled(real=real, fake=fake, seed=KEY), expected)


def test_autocast_changes_nothing(api, rng):
    real, fake = pair(rng, 4, 3, dtype=torch.float32)
    expected = api.interpolate(real=real, fake=fake, seed=KEY)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(api.interpolate(real=real, fake=fake, seed=KEY), expected)


X = torch.zeros(3, 2)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"real": 1.0}, TypeError, ("real", "float")),
        ({"fake": None}, TypeError, ("fake", "NoneType")),
        ({"real": X.int()}, TypeError, ("real", "int32")),
        ({"fake": X.long()}, TypeError, ("fake", "int64")),
        ({"real": torch.tensor(1.0)}, ValueError, ("real", "batch", "0-d")),
        ({"fake": torch.zeros(3, 1)}, ValueError, ("fake", "(3, 2)", "(3, 1)")),
        ({"fake": X.to("meta")}, ValueError, ("fake", "cpu", "meta")),
        ({"alpha": 1.5}, ValueError, ("alpha", "[0, 1]", "1.5")),
        ({"alpha": -0.1}, ValueError, ("alpha", "-0.1")),
        ({"alpha": math.nan}, ValueError, ("alpha", "nan")),
        ({"alpha": "half"}, TypeError, ("alpha", "str")),
        ({"alpha": torch.zeros(2)}, ValueError, ("alpha", "(3,)", "(2,)")),
        ({"alpha": torch.zeros(3, 1)}, ValueError, ("alpha", "(3, 1)")),
        ({"alpha": torch.zeros(3).int()}, TypeError, ("alpha", "int32")),
        ({"alpha": torch.zeros(3, device="meta")}, ValueError, ("alpha", "cpu", "meta")),
        ({"alpha": 0.5, "seed": KEY}, ValueError, ("alpha and seed",)),
        ({"alpha": 0.5, "generator": torch.Generator()}, ValueError, ("alpha and generator",)),
        ({"seed": KEY, "generator": torch.Generator()}, ValueError, ("seed and generator",)),
        ({"seed": torch.zeros(1)}, TypeError, ("seed", "float32")),
        ({"seed": torch.zeros(3).long()}, ValueError, ("seed", "(3,)")),
    ],
)
def test_refusals(api, refuses, change, error, words):
    with refuses(error, *words):
        api.interpolate(**({"real": X, "fake": X} | change))
