"""DDPM's forward and reverse steps against Gaussian conditioning and composed single steps."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from genbench.ops import reference as ref

KEY = torch.tensor([5])
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)  # Ho et al. 2020, section 4
ALPHAS = 1 - BETAS
ALPHA_BARS = torch.cumprod(ALPHAS, 0)
# Half dtypes round once, at the end (unit roundoff, with the float32 evaluation's 1 % beside it);
# the others at each of a few products and sums.
ROUNDING = {
    torch.float16: 1.01 * 2.0**-11,
    torch.bfloat16: 1.01 * 2.0**-8,
    torch.float32: 2e-6,
    torch.float64: 1e-13,
}
# Where the terms cancel, to the rounding of the terms.
SMALL = {dtype: 1e-13 if dtype == torch.float64 else 2e-6 for dtype in ROUNDING}


def normal(rng, *shape, dtype=torch.float64):
    return torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype)


def posterior_mean(x_t, predicted, alpha, alpha_bar):
    """Equations 7 and 15: the mean of q(x_{t-1} | x_t, x_0) at the x_0 that the noise implies."""
    x_t, predicted = x_t.double(), predicted.double()
    before = alpha_bar / alpha
    x0 = (x_t - math.sqrt(1 - alpha_bar) * predicted) / math.sqrt(alpha_bar)
    by_x0 = math.sqrt(before) * (1 - alpha) / (1 - alpha_bar)
    return by_x0 * x0 + math.sqrt(alpha) * (1 - before) / (1 - alpha_bar) * x_t


@pytest.mark.parametrize("dtype", ROUNDING)
def test_add_noise_dtypes_and_layouts(api, layout, rng, dtype):
    x0, noise = (layout(normal(rng, 4, 3, 5, 2, dtype=dtype)) for _ in range(2))
    x_t, returned = api.ddpm_add_noise(x0, 0.36, noise=noise)
    assert x_t.dtype == dtype and returned is noise
    expected = 0.6 * x0.double() + 0.8 * noise.double()
    torch.testing.assert_close(x_t.double(), expected, rtol=ROUNDING[dtype], atol=SMALL[dtype])


@pytest.mark.parametrize("dtype", ROUNDING)
def test_step_dtypes_and_layouts(api, layout, rng, dtype):
    x_t, e, noise = (layout(normal(rng, 4, 3, 5, 2, dtype=dtype)) for _ in range(3))
    out = api.ddpm_step(x_t, e, alpha=0.9, alpha_bar=0.5, sigma=0.25, noise=noise)
    assert out.dtype == dtype and out.shape == x_t.shape
    expected = posterior_mean(x_t, e, 0.9, 0.5) + noise.double() / 4
    torch.testing.assert_close(out.double(), expected, rtol=ROUNDING[dtype], atol=SMALL[dtype])


values = st.lists(st.tuples(*[st.floats(-8, 8)] * 3), min_size=1, max_size=4)


@given(rows=values, alpha_bar=st.floats(0, 1))
def test_add_noise_any_values(rows, alpha_bar):
    """cos and sin of one angle: the two coefficients' squares add up to 1."""
    x0, noise, _ = torch.tensor(rows, dtype=torch.float64).T
    x_t, _ = ref.ddpm_add_noise(x0, alpha_bar, noise=noise)
    angle = math.atan2(math.sqrt(1 - alpha_bar), math.sqrt(alpha_bar))
    expected = math.cos(angle) * x0 + math.sin(angle) * noise
    torch.testing.assert_close(x_t, expected, rtol=0, atol=1e-14)


@given(
    rows=values,
    alpha=st.floats(0.01, 0.9999),
    before=st.floats(0.01, 1),
    sigma=st.floats(0, 2),
)
def test_step_any_values(rows, alpha, before, sigma):
    x_t, e, noise = torch.tensor(rows, dtype=torch.float64).T
    alpha_bar = alpha * before
    out = ref.ddpm_step(x_t, e, alpha=alpha, alpha_bar=alpha_bar, sigma=sigma, noise=noise)
    expected = posterior_mean(x_t, e, alpha, alpha_bar) + sigma * noise
    # the oracle divides by 1 - alpha_bar >= 1e-4, and by sqrt(alpha_bar) >= 1e-2
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-10)


def test_add_noise_is_the_composition_of_single_steps(api):
    """x_s = sqrt(alpha_s) x_{s-1} + sqrt(beta_s) e_s: mean and variance by recursion."""
    mean, variance, one = 1.0, 0.0, torch.ones(1, dtype=torch.float64)
    for t in range(1000):
        mean *= math.sqrt(1 - float(BETAS[t]))
        variance = (1 - float(BETAS[t])) * variance + float(BETAS[t])
        signal, _ = api.ddpm_add_noise(one, ALPHA_BARS[t], noise=0 * one)
        rest, _ = api.ddpm_add_noise(0 * one, ALPHA_BARS[t], noise=one)
        assert signal.item() == pytest.approx(mean, rel=1e-12)
        assert rest.item() ** 2 == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("t", [1, 2, 10, 500, 999])
def test_step_is_the_gaussian_posterior(api, rng, t):
    """The joint covariance of (x_{t-1}, x_t) given x_0, conditioned on x_t by hand."""
    x0, e = normal(rng, 5), normal(rng, 5)
    alpha, alpha_bar, before = ALPHAS[t], ALPHA_BARS[t], ALPHA_BARS[t - 1]
    x_t = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * e
    step = torch.stack(
        [torch.tensor([1.0, 0.0]).double(), torch.stack([alpha.sqrt(), BETAS[t].sqrt()])]
    )
    joint = step @ torch.diag(torch.stack([1 - before, torch.ones_like(before)])) @ step.T
    mean = before.sqrt() * x0 + joint[0, 1] / joint[1, 1] * (x_t - alpha_bar.sqrt() * x0)
    out = api.ddpm_step(x_t, e, alpha=alpha, alpha_bar=alpha_bar, sigma=0)
    torch.testing.assert_close(out, mean, rtol=1e-11, atol=1e-12)


def test_reverse_chain_has_the_forward_marginals(api):
    """With exact predictions for one data point every x_t is distributed as q(x_t | x_0).

    Algorithm 2 as sometimes printed (alpha-bar for alpha, noise at t = 1) fails it: the chain
    ends at the point itself only with alpha and without that last noise.
    """
    n, x0 = 20_000, 1.5
    alphas = 1 - torch.linspace(0.01, 0.5, 20, dtype=torch.float64)
    bars = torch.cumprod(alphas, 0)
    x, _ = api.ddpm_add_noise(torch.full((n,), x0).double(), bars[-1], seed=torch.tensor([100]))
    for t in reversed(range(20)):
        e = (x - bars[t].sqrt() * x0) / (1 - bars[t]).sqrt()
        before = bars[t - 1] if t else torch.ones_like(bars[0])
        sigma = ((1 - before) / (1 - bars[t]) * (1 - alphas[t])).sqrt()
        x = api.ddpm_step(
            x, e, alpha=alphas[t], alpha_bar=bars[t], sigma=sigma, seed=torch.tensor([t])
        )
        variance = 1 - before.item()
        assert abs(x.mean() - before.sqrt() * x0) <= 4 * math.sqrt(variance / n) + 1e-12
        assert abs(x.var() - variance) <= 4 * variance * math.sqrt(2 / n) + 1e-12


def test_drawn_noise_has_the_moments(api):
    n = 40_000
    x_t, noise = api.ddpm_add_noise(torch.full((n, 1), 2.0), 0.75, seed=KEY)
    assert abs(x_t.mean() - 2 * math.sqrt(0.75)) < 4 * 0.5 / math.sqrt(n)
    assert abs(x_t.std() - 0.5) < 4 * 0.5 / math.sqrt(2 * n)
    rebuilt, _ = api.ddpm_add_noise(torch.full((n, 1), 2.0), 0.75, noise=noise)
    assert torch.equal(rebuilt, x_t)


@pytest.mark.parametrize("t", range(10))
def test_small_noise_survives_bfloat16(api, rng, t):
    """A coefficient rounded to bfloat16 before use loses 1 - alpha_bar at t = 0 .. 9."""
    zero, noise = torch.zeros(2000, dtype=torch.bfloat16), normal(rng, 2000, dtype=torch.bfloat16)
    spread = noise.double().std().item()
    for alpha_bar in (ALPHA_BARS[t].float(), float(ALPHA_BARS[t]), ALPHA_BARS[t].expand(2000)):
        x_t, _ = api.ddpm_add_noise(zero, alpha_bar, noise=noise)
        expected = math.sqrt(1 - ALPHA_BARS[t].item())
        # float32 holds 1 - alpha_bar to 6e-4 at t = 0; bfloat16 results add 4e-3 each way
        assert x_t.double().std().item() / spread == pytest.approx(expected, rel=2e-3)
    before = float(ALPHA_BARS[t - 1]) if t else 1.0
    sigma = math.sqrt((1 - before) / (1 - float(ALPHA_BARS[t])) * float(BETAS[t]))
    out = api.ddpm_step(
        zero, zero, alpha=ALPHAS[t], alpha_bar=ALPHA_BARS[t], sigma=sigma, noise=noise
    )
    assert out.double().std().item() / spread == pytest.approx(sigma, rel=2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_wide_coefficients_keep_their_digits(api, dtype):
    """1 - alpha_bar at t = 0 is 1e-4: in float32 it would be 6e-4 off before it is used."""
    zero, one = torch.zeros(2, dtype=dtype), torch.ones(2, dtype=torch.float32)
    limit = 1e-6 if dtype == torch.float32 else ROUNDING[dtype]
    for alpha_bar in (ALPHA_BARS[0], float(ALPHA_BARS[0]), ALPHA_BARS[:1].expand(2)):
        x_t, _ = api.ddpm_add_noise(zero, alpha_bar, noise=one)
        torch.testing.assert_close(
            x_t.double(), torch.full((2,), 0.01).double(), rtol=limit, atol=0
        )
        out = api.ddpm_step(zero, -one, alpha=alpha_bar, alpha_bar=alpha_bar, sigma=0)
        assert out[0].item() == pytest.approx(0.01 / math.sqrt(0.9999), rel=limit)


def test_add_noise_gradients(api, rng):
    x0, noise = normal(rng, 3, 2).requires_grad_(), normal(rng, 3, 2).requires_grad_()
    bars = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64, requires_grad=True)
    forward = lambda x, n, a: api.ddpm_add_noise(x, a, noise=n)[0]  # noqa: E731
    assert gradcheck(forward, (x0, noise, bars))
    assert gradgradcheck(forward, (x0, noise, bars))
    assert gradcheck(lambda x: api.ddpm_add_noise(x, 0.3, seed=KEY)[0], x0)


def test_step_gradients(api, rng):
    x, e, z = (normal(rng, 3, 2).requires_grad_() for _ in range(3))
    rows = ([0.9, 0.8, 0.99], [0.4, 0.3, 0.9], [0.1, 0.2, 0.3])
    coefficients = [torch.tensor(row, dtype=torch.float64, requires_grad=True) for row in rows]

    def step(x, e, z, alpha, alpha_bar, sigma):
        return api.ddpm_step(x, e, alpha=alpha, alpha_bar=alpha_bar, sigma=sigma, noise=z)

    assert gradcheck(step, (x, e, z, *coefficients))
    assert gradgradcheck(step, (x, e, z, *coefficients))
