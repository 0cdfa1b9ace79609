"""GAN cross-entropies against torch.distributions, closed forms and the exact optimum."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_expit
from torch.distributions import Bernoulli

from genbench.ops import reference as ref

KEY = torch.tensor([5])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
# float32 evaluation of up to 120 terms; float64 likewise
ROUNDING = {torch.float64: 1e-13}


def entropy_oracle(logits, target):
    """Mean cross-entropy in float64 by Bernoulli log-probabilities of the two outcomes."""
    x = logits.detach().double()
    t = torch.as_tensor(target, dtype=torch.float64).expand_as(x)
    outcome = Bernoulli(logits=x, validate_args=False)
    ones, zeros = outcome.log_prob(torch.ones_like(x)), outcome.log_prob(torch.zeros_like(x))
    return -(t * ones + (1 - t) * zeros).mean()


def normal_logits(rng, *shape, dtype=torch.float64):
    return (3 * torch.randn(shape, generator=rng, dtype=torch.float64)).to(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_discriminator_dtypes_and_layouts(api, layout, rng, dtype):
    real = layout(normal_logits(rng, 4, 3, 5, 2, dtype=dtype))
    fake = layout(normal_logits(rng, 4, 3, 2, 2, dtype=dtype))
    target = layout(torch.rand(4, 3, 2, 2, generator=rng))
    loss = api.discriminator_bce(real=real, fake=fake, real_target=0.9, fake_target=target)
    assert loss.shape == () and loss.dtype == torch.promote_types(dtype, torch.float32)
    expected = entropy_oracle(real, 0.9) + entropy_oracle(fake, target)
    torch.testing.assert_close(loss.double(), expected, rtol=ROUNDING.get(dtype, 1e-6), atol=0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_generator_dtypes_and_layouts(api, layout, rng, dtype):
    fake = layout(normal_logits(rng, 4, 3, 5, 2, dtype=dtype))
    expected = {False: entropy_oracle(fake, 1.0), True: -entropy_oracle(fake, 0.0)}
    for saturating, value in expected.items():
        loss = api.generator_bce(fake=fake, saturating=saturating)
        assert loss.shape == () and loss.dtype == torch.promote_types(dtype, torch.float32)
        torch.testing.assert_close(loss.double(), value, rtol=ROUNDING.get(dtype, 1e-6), atol=0)


logits = st.lists(st.floats(-60, 60), min_size=1, max_size=4)
targets = st.floats(0, 1)


@given(real=logits, fake=logits, real_target=targets, fake_target=targets)
def test_discriminator_any_logits(real, fake, real_target, fake_target):
    """By SciPy's logarithm of the logistic function, exact in both tails."""
    expected = 0.0
    for x, t in ((np.array(real), real_target), (np.array(fake), fake_target)):
        expected -= np.mean(t * log_expit(x) + (1 - t) * log_expit(-x))
    r, f = (torch.tensor(x, dtype=torch.float64) for x in (real, fake))
    loss = ref.discriminator_bce(real=r, fake=f, real_target=real_target, fake_target=fake_target)
    assert loss.item() == pytest.approx(expected, rel=1e-12, abs=0)


@given(fake=logits, saturating=st.booleans())
def test_generator_any_logits(fake, saturating):
    """softplus(x) = x + softplus(-x) in Python floats, each side by its exact small exponential."""
    value = np.mean([max(s, 0) + math.log1p(math.exp(-abs(s))) for s in fake])
    other = np.mean([max(-s, 0) + math.log1p(math.exp(-abs(s))) for s in fake])
    x = torch.tensor(fake, dtype=torch.float64)
    loss = ref.generator_bce(fake=x, saturating=saturating)
    assert loss.item() == pytest.approx(-value if saturating else other, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tails_are_exact(api, dtype):
    """A confident discriminator's loss is exp(-|x|): neither 0 nor cut at torch's threshold."""
    x = torch.tensor([30.0], dtype=dtype)
    assert api.generator_bce(fake=x).item() == pytest.approx(math.exp(-30), rel=1e-6)
    loss = api.discriminator_bce(real=x, fake=-x)
    assert loss.item() == pytest.approx(2 * math.exp(-30), rel=1e-6)
    assert api.generator_bce(fake=-1000 * x).item() == 30000
    assert api.generator_bce(fake=torch.full_like(x, math.inf)).item() == 0


def test_optimum_is_log4_less_twice_the_jsd(api):
    """On a discrete space the best logits are log p / q, and the loss there has a closed form."""
    p, q = np.array([3, 1, 2, 2]) / 8, np.array([1, 5, 1, 1]) / 8
    middle = (p + q) / 2
    jsd = (p * np.log(p / middle) + q * np.log(q / middle)).sum() / 2
    best = np.log(p / q)
    real = torch.from_numpy(np.repeat(best, (8 * p).astype(int)))
    fake = torch.from_numpy(np.repeat(best, (8 * q).astype(int)))
    loss = api.discriminator_bce(real=real, fake=fake).item()
    assert loss == pytest.approx(math.log(4) - 2 * jsd, rel=1e-14)
    for shift in (-0.1, 0.1):
        assert api.discriminator_bce(real=real + shift, fake=fake + shift).item() > loss


def test_slopes_at_zero_logits(api):
    """sigmoid(0) - t = 1/2 - t exactly: a clamp or an absolute value has no slope there."""
    real, fake = torch.zeros(2, requires_grad=True), torch.zeros(4, requires_grad=True)
    loss = api.discriminator_bce(real=real, fake=fake, real_target=0.75, fake_target=0.25)
    slopes = torch.autograd.grad(loss, (real, fake))
    assert slopes[0].tolist() == [-0.125] * 2 and slopes[1].tolist() == [0.0625] * 4
    (slope,) = torch.autograd.grad(api.generator_bce(fake=fake), fake)
    assert slope.tolist() == [-0.125] * 4


@pytest.mark.parametrize("saturating", [False, True])
def test_generator_gradients(api, rng, saturating):
    fake = normal_logits(rng, 5).requires_grad_()
    loss = lambda x: api.generator_bce(fake=x, saturating=saturating)  # noqa: E731
    assert torch.autograd.gradcheck(loss, fake)
    assert torch.autograd.gradgradcheck(loss, fake)


def test_discriminator_gradients(api, rng):
    real, fake = normal_logits(rng, 3, 2).requires_grad_(), normal_logits(rng, 5).requires_grad_()
    options = {"real_target": (0.7, 0.9), "fake_target": 0.1, "flip_probability": 0.3}
    loss = lambda r, f: api.discriminator_bce(real=r, fake=f, seed=KEY, **options)  # noqa: E731
    assert torch.autograd.gradcheck(loss, (real, fake))
    assert torch.autograd.gradgradcheck(loss, (real, fake))


def test_drawn_targets_use_their_streams(api, rng):
    """Rebuilt by hand from the noise: streams 0..3, flat index, t -> 1 - t where u < p."""
    real, fake = normal_logits(rng, 6, 7), normal_logits(rng, 9)
    seed = torch.tensor([8, 3])
    u = [
        api.uniform(42 if s < 2 else 9, seed=seed, stream=s, dtype=torch.float64) for s in range(4)
    ]
    real_t, fake_t = 0.7 + 0.2 * u[0].reshape(6, 7), 0.3 * u[2]
    for t, flips in ((real_t, u[1].reshape(6, 7)), (fake_t, u[3])):
        t[flips < 0.25] = 1 - t[flips < 0.25]
    loss = api.discriminator_bce(
        real=real,
        fake=fake,
        real_target=(0.7, 0.9),
        fake_target=(0, 0.3),
        flip_probability=0.25,
        seed=seed,
    )
    expected = entropy_oracle(real, real_t) + entropy_oracle(fake, fake_t)
    torch.testing.assert_close(loss, expected, rtol=1e-13, atol=0)


def test_flips(api, rng):
    real, fake = normal_logits(rng, 50), normal_logits(rng, 50)
    plain = {"real": real, "fake": fake, "real_target": 0.9, "fake_target": 0.1}
    swapped = {"real": real, "fake": fake, "real_target": 0.1, "fake_target": 0.9}
    always = api.discriminator_bce(**plain, flip_probability=1, seed=KEY)
    torch.testing.assert_close(always, api.discriminator_bce(**swapped), rtol=1e-14, atol=0)
    t = torch.rand(50, generator=rng, dtype=torch.float64)
    like = api.discriminator_bce(real=real, fake=fake, real_target=t, flip_probability=1, seed=KEY)
    by_hand = api.discriminator_bce(real=real, fake=fake, real_target=1 - t, fake_target=1.0)
    torch.testing.assert_close(like, by_hand, rtol=1e-14, atol=0)


def test_a_certain_flip_is_never_missed(api):
    """Element 3082109 of key 5, stream 1 is 1 - 7e-9: in float32 it is 1, not below 1."""
    seed = torch.tensor([5, 3082109])
    u = api.uniform(1, seed=seed, stream=1, dtype=torch.float64)
    assert u < 1 and u.float() == 1
    x = torch.tensor([3.0])
    flipped = api.discriminator_bce(real=x, fake=-x, flip_probability=1, seed=seed)
    torch.testing.assert_close(flipped, api.discriminator_bce(real=-x, fake=x))


def test_shares_of_drawn_targets(api):
    """With logits of -1e4 a term is 1e4 t, so the loss is the mean target: 4 standard errors."""
    n = 40_000
    x, large = torch.full((n,), -1e4, dtype=torch.float64), torch.full((1,), -1e4)
    smooth = api.discriminator_bce(real=x, fake=large, real_target=(0.7, 0.9), seed=KEY) / 1e4
    assert abs(smooth.item() - 0.8) < 4 * 0.2 / (12 * n) ** 0.5
    flipped = api.discriminator_bce(real=x, fake=large.repeat(n), flip_probability=0.1, seed=KEY)
    assert abs(flipped.item() / 1e4 - (0.9 + 0.1)) < 4 * (2 * 0.1 * 0.9 / n) ** 0.5


def test_draws_only_where_needed(api, rng):
    real, fake = normal_logits(rng, 3), normal_logits(rng, 4)
    state = rng.get_state()
    plain = api.discriminator_bce(real=real, fake=fake, real_target=0.9, generator=rng)
    assert torch.equal(rng.get_state(), state)
    assert torch.equal(
        plain, api.discriminator_bce(real=real, fake=fake, real_target=0.9, seed=KEY)
    )
    api.discriminator_bce(real=real, fake=fake, real_target=(0.8, 0.9), generator=rng)
    assert not torch.equal(rng.get_state(), state)


def test_generator_and_global_generator_repeat(api, rng):
    real, fake = normal_logits(rng, 30), normal_logits(rng, 30)
    losses = []
    for _ in range(2):
        torch.manual_seed(4)
        losses.append(api.discriminator_bce(real=real, fake=fake, flip_probability=0.5))
    assert losses[0] == losses[1]
    assert losses[0] != api.discriminator_bce(real=real, fake=fake, flip_probability=0.5)


def test_vmap_maps_logits_and_seed(api, rng):
    real, fake = normal_logits(rng, 3, 6), normal_logits(rng, 3, 4)
    seeds = torch.arange(3)[:, None]

    def loss(r, f, s):
        return api.discriminator_bce(
            real=r, fake=f, real_target=(0.7, 1), flip_probability=0.2, seed=s
        )

    rows = [loss(*row) for row in zip(real, fake, seeds, strict=True)]
    torch.testing.assert_close(torch.vmap(loss)(real, fake, seeds), torch.stack(rows))
    rows = torch.stack([api.generator_bce(fake=f) for f in fake])
    torch.testing.assert_close(torch.vmap(lambda f: api.generator_bce(fake=f))(fake), rows)


def test_compiles_whole_with_gradients(api, rng):
    real, fake = normal_logits(rng, 5), normal_logits(rng, 7).requires_grad_()

    def loss(r, f, seed):
        noisy = api.discriminator_bce(real=r, fake=f, fake_target=(0, 0.3), seed=seed)
        return noisy + api.generator_bce(fake=f)

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    grads = [torch.autograd.grad(f(real, fake, KEY), fake)[0] for f in (loss, compiled)]
    torch.testing.assert_close(*grads, rtol=1e-13, atol=0)


def test_autocast_keeps_float32(api, rng):
    real, fake = normal_logits(rng, 9, dtype=torch.bfloat16), normal_logits(rng, 9).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = api.discriminator_bce(real=real, fake=fake, real_target=0.9)
        both = loss + api.generator_bce(fake=fake)
    assert both.dtype == torch.float32
    expected = entropy_oracle(real, 0.9) + entropy_oracle(fake, 0) + entropy_oracle(fake, 1)
    torch.testing.assert_close(both.double(), expected, rtol=1e-6, atol=0)  # float32 sum of 27


X = torch.zeros(3)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"real": 1.0}, TypeError, ("real", "float")),
        ({"fake": None}, TypeError, ("fake", "NoneType")),
        ({"real": torch.zeros(3, dtype=torch.int64)}, TypeError, ("real", "torch.int64")),
        ({"fake": torch.zeros(3, dtype=torch.complex64)}, TypeError, ("fake", "complex64")),
        ({"real": torch.zeros(0)}, ValueError, ("real", "empty", "(0,)")),
        ({"fake": torch.zeros(3, 0)}, ValueError, ("fake", "empty", "(3, 0)")),
        ({"fake": torch.zeros(3, device="meta")}, ValueError, ("fake", "cpu", "meta")),
        ({"real_target": 1.1}, ValueError, ("real_target", "[0, 1]", "1.1")),
        ({"fake_target": -0.1}, ValueError, ("fake_target", "[0, 1]", "-0.1")),
        ({"fake_target": math.nan}, ValueError, ("fake_target", "nan")),
        ({"real_target": "one"}, TypeError, ("real_target", "str")),
        ({"real_target": True}, TypeError, ("real_target", "bool")),
        ({"real_target": (0.9, 0.7)}, ValueError, ("real_target", "[0.9, 1]", "0.7")),
        ({"real_target": (0.7, 0.8, 0.9)}, ValueError, ("real_target", "(low, high)", "0.8")),
        ({"fake_target": (-0.1, 0.3)}, ValueError, ("fake_target", "-0.1")),
        ({"fake_target": torch.zeros(2)}, ValueError, ("fake_target", "(3,)", "(2,)")),
        ({"fake_target": torch.zeros(3).int()}, TypeError, ("fake_target", "int32")),
        ({"real_target": torch.zeros(3, device="meta")}, ValueError, ("real_target", "meta")),
        ({"flip_probability": 1.5}, ValueError, ("flip_probability", "1.5")),
        ({"flip_probability": None}, TypeError, ("flip_probability", "NoneType")),
        ({"seed": 3}, TypeError, ("seed", "int")),
        ({"seed": torch.zeros(1)}, TypeError, ("seed", "int64")),
        ({"seed": KEY, "generator": torch.Generator()}, ValueError, ("seed and generator",)),
        ({"generator": 7}, TypeError, ("generator", "int")),
    ],
)
def test_discriminator_refusals(api, refuses, change, error, words):
    with refuses(error, *words):
        api.discriminator_bce(**({"real": X, "fake": X} | change))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"fake": [0.0]}, TypeError, ("fake", "list")),
        ({"fake": torch.zeros(3).bool()}, TypeError, ("fake", "torch.bool")),
        ({"fake": torch.zeros(3).int()}, TypeError, ("fake", "torch.int32")),
        ({"fake": torch.zeros(3, dtype=torch.complex128)}, TypeError, ("fake", "complex128")),
        ({"fake": torch.zeros(3, dtype=torch.float8_e5m2)}, TypeError, ("fake", "float8")),
        ({"fake": torch.zeros(0)}, ValueError, ("fake", "empty", "(0,)")),
        ({"fake": torch.zeros(2, 0, 3)}, ValueError, ("fake", "(2, 0, 3)")),
        ({"saturating": 1}, TypeError, ("saturating", "1")),
        ({"saturating": None}, TypeError, ("saturating", "None")),
        ({"saturating": "yes"}, TypeError, ("saturating", "yes")),
    ],
)
def test_generator_refusals(api, refuses, change, error, words):
    with refuses(error, *words):
        api.generator_bce(**({"fake": X} | change))
