"""reparameterize_kl against torch.distributions, quadrature and Monte Carlo, in value and error."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Normal, kl_divergence

from genbench import ops
from genbench.ops.backend import active, backend

SEED = torch.tensor([11])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
# One rounding to the dtype; the noise and the formula are evaluated in float32 or in float64.
ROUNDING = {torch.float16: 2**-11, torch.bfloat16: 2**-8, torch.float32: 2**-24}
EVALUATION = {torch.float64: 1e-13}


def inputs(rng, *shape, dtype=torch.float64, count=2):
    return [torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype) for _ in range(count)]


def oracle(mu, logvar, eps):
    """z and KL in float64 by torch.distributions."""
    posterior = Normal(mu.double(), logvar.double().div(2).exp())
    kl = kl_divergence(posterior, Normal(0.0, 1.0))
    return posterior.loc + posterior.scale * eps.double(), kl.reshape(len(mu), -1).sum(1)


def check(mu, logvar, eps, z, kl):
    """Against the oracle; z like mu, kl (B,) in float32 or better."""
    wide = torch.promote_types(torch.promote_types(mu.dtype, logvar.dtype), torch.float32)
    assert z.shape == mu.shape and z.dtype == mu.dtype
    assert kl.shape == mu.shape[:1] and kl.dtype == wide
    expected_z, expected_kl = oracle(mu, logvar, eps)
    rtol, atol = ROUNDING.get(mu.dtype, 0), EVALUATION.get(wide, 5e-6)
    torch.testing.assert_close(z.double(), expected_z, rtol=rtol, atol=atol)
    # the sum's terms are positive: relative roundings of a term and of 64 partial sums
    rtol = 1e-12 if wide == torch.float64 else 1e-5
    torch.testing.assert_close(kl.double(), expected_kl, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_and_layouts(api, layout, rng, dtype):
    mu, logvar, eps = (layout(x) for x in inputs(rng, 4, 3, 5, 2, dtype=dtype, count=3))
    check(mu, logvar, eps, *api.reparameterize_kl(mu, logvar, eps=eps))
    drawn = ops.reference.normal(mu.shape, seed=SEED, dtype=torch.float64)
    check(mu, logvar, drawn, *api.reparameterize_kl(mu, logvar, seed=SEED))


# Around the group of 64 numbers drawn side by side and the chunk of 1024 added up at once.
SHAPES = [(1,), (5,), (3, 1), (2, 3), (1, 63), (1, 64), (3, 65), (7, 341), (1, 1023), (2, 1024)]
SHAPES += [(2, 1025), (1, 4099), (300, 7), (1025, 1), (2, 3, 5, 7), (1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_sizes(api, rng, shape, dtype):
    mu, logvar = inputs(rng, *shape, dtype=dtype)
    for seed in (SEED, torch.tensor([11, 2**40 + 3])):
        drawn = ops.reference.normal(shape, seed=seed, dtype=torch.float64)
        check(mu, logvar, drawn, *api.reparameterize_kl(mu, logvar, seed=seed))


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0), (0, 0), (2, 0, 3)])
def test_empty(api, shape):
    mu = torch.zeros(shape, requires_grad=True)
    z, kl = api.reparameterize_kl(mu, mu, seed=SEED)
    assert z.shape == shape and torch.equal(kl, torch.zeros(shape[:1]))
    (z.sum() + kl.sum()).backward()
    assert mu.grad is not None and mu.grad.shape == shape


def test_kl_by_quadrature(api, rng):
    """E_q[ln q - ln p] is quadratic in z: a Gauss-Hermite rule of 4 nodes is exact."""
    mu, logvar = inputs(rng, 6, 5)
    node, weight = np.polynomial.hermite_e.hermegauss(4)
    mean, sigma = mu.numpy()[..., None], np.exp(logvar.numpy() / 2)[..., None]
    z = mean + sigma * node
    gap = stats.norm.logpdf(z, mean, sigma) - stats.norm.logpdf(z)
    expected = (gap @ weight / weight.sum()).sum(1)
    _, kl = api.reparameterize_kl(mu, logvar, seed=SEED)
    np.testing.assert_allclose(kl.numpy(), expected, rtol=1e-12)  # float64 sums of 20 terms


def test_kl_by_monte_carlo(api):
    """The mean of ln q(z) - ln p(z) over the operation's own z."""
    mu, logvar = torch.tensor([0.7, -0.4]), torch.tensor([-1.0, 0.5])
    n = 200_000
    z, kl = api.reparameterize_kl(mu.expand(n, 2), logvar.expand(n, 2), seed=SEED)
    posterior = Normal(mu, (logvar / 2).exp())
    gap = (posterior.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).double().sum(1)
    standard_error = gap.std().item() / math.sqrt(n)
    assert standard_error < 0.003
    assert abs(gap.mean().item() - kl[0].item()) < 4 * standard_error


def test_kl_keeps_digits_near_the_prior(api):
    """exp(v) - 1 - v = v^2/2 + v^3/6 + ...: at v = 1e-4 a plain exp is off by 2e-8."""
    v = 1e-4
    expected = (v**2 / 2 + v**3 / 6 + v**4 / 24) / 2
    zero = torch.zeros(1, 1, dtype=torch.float64)
    _, kl = api.reparameterize_kl(zero, zero + v, eps=zero)
    assert abs(kl.item() / expected - 1) < 1e-11  # the roundings of v, 1e-20, over v^2 / 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extremes(api, dtype):
    finite = [-1e4, -1500, -200, -170, -80, -1e-30, 0, 1e-30, 80, 88, 177, 700, 1419, 2000]
    logvar = torch.tensor([*finite, math.inf, -math.inf, math.nan], dtype=dtype)
    mu, eps = torch.full_like(logvar, 0.5), torch.full_like(logvar, -1.25)
    z, kl = api.reparameterize_kl(mu, logvar, eps=eps)
    sigma = torch.exp(logvar / 2)
    tiny = 1e-37 if dtype == torch.float32 else 1e-307  # subnormal sigmas may count as zero
    rtol = 1e-5 if dtype == torch.float32 else 1e-13
    torch.testing.assert_close(z, mu + sigma * eps, rtol=rtol, atol=tiny, equal_nan=True)
    expected = 0.5 * (mu * mu + torch.expm1(logvar) - logvar)
    torch.testing.assert_close(kl, expected, rtol=rtol, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    ("mu_dtype", "other"), [(torch.bfloat16, torch.float32), (torch.float32, torch.float64)]
)
def test_mixed_dtypes(api, rng, mu_dtype, other):
    mu, logvar, eps = inputs(rng, 3, 4, count=3)
    z, kl = api.reparameterize_kl(mu.to(mu_dtype), logvar.to(other), eps=eps.float())
    check(mu.to(mu_dtype), logvar.to(other), eps.float(), z, kl)


@pytest.mark.parametrize("cuts", [(0, 1, 5), (0, 2, 3, 5)])
def test_shards_are_pieces_of_the_whole(api, rng, cuts):
    mu, logvar = inputs(rng, 5, 7, dtype=torch.float32)
    whole = api.reparameterize_kl(mu, logvar, seed=torch.tensor([3, 10]))
    pieces = [
        api.reparameterize_kl(mu[a:b], logvar[a:b], seed=torch.tensor([3, 10 + 7 * a]))
        for a, b in pairwise(cuts)
    ]
    for one, parts in zip(whole, zip(*pieces, strict=True), strict=True):
        assert torch.equal(one, torch.cat(parts))


def test_generator_and_global_state(api, rng):
    mu, logvar = inputs(rng, 2, 3)
    draws = [
        api.reparameterize_kl(mu, logvar, generator=torch.Generator().manual_seed(seed))[0]
        for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    torch.manual_seed(1)
    first = api.reparameterize_kl(mu, logvar)[0]
    second = api.reparameterize_kl(mu, logvar)[0]
    torch.manual_seed(1)
    assert torch.equal(first, api.reparameterize_kl(mu, logvar)[0])
    assert not torch.equal(first, second)


def test_autocast_keeps_the_kl_in_float32(api, rng):
    encoder = torch.nn.Linear(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        mu, logvar = encoder(torch.randn(5, 3, generator=rng)).chunk(2, dim=1)
        z, kl = api.reparameterize_kl(mu, logvar, seed=SEED)
    assert mu.dtype == z.dtype == torch.bfloat16 and kl.dtype == torch.float32
    drawn = ops.reference.normal(mu.shape, seed=SEED, dtype=torch.float64)
    check(mu.detach(), logvar.detach(), drawn, z.detach(), kl.detach())


def test_the_switch_reaches_the_kernel(kernels, rng):
    """float32 roundings tell the backends apart."""
    mu, logvar = inputs(rng, 64, 64, dtype=torch.float32)
    fused = ops.reparameterize_kl(mu, logvar, seed=SEED)
    with backend("reference"):
        assert active() == "reference"
        plain = ops.reparameterize_kl(mu, logvar, seed=SEED)
    for a, b in zip(plain, ops.reference.reparameterize_kl(mu, logvar, seed=SEED), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(fused, kernels.reparameterize_kl_forward(mu, logvar, None, SEED), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(fused[0], plain[0])


X = torch.zeros(2, 3)
REFUSED = [
    (dict(mu=[1.0], logvar=X), TypeError, "mu must be a tensor, got list"),
    (dict(mu=X.long(), logvar=X), TypeError, "mu must be float16"),
    (dict(mu=X.to(torch.complex64), logvar=X), TypeError, "complex64"),
    (dict(mu=torch.tensor(1.0), logvar=torch.tensor(1.0)), ValueError, "batch dimension"),
    (dict(mu=X, logvar=None), TypeError, "logvar must be a tensor, got NoneType"),
    (dict(mu=X, logvar=X[:1]), ValueError, "shape of mu (2, 3), got (1, 3)"),
    (dict(mu=X, logvar=X.int()), TypeError, "logvar must be float16"),
    (dict(mu=X, logvar=X.to("meta")), ValueError, "logvar must be on cpu, as mu is, got meta"),
    (dict(mu=X, logvar=X, eps=X.T), ValueError, "eps must have the shape of mu"),
    (dict(mu=X, logvar=X, eps=X.bool()), TypeError, "eps must be float16"),
    (dict(mu=X, logvar=X, eps=X, seed=SEED), ValueError, "eps and seed were given"),
    (dict(mu=X, logvar=X, eps=X, generator=torch.Generator()), ValueError, "eps and generator"),
    (dict(mu=X, logvar=X, seed=SEED, generator=torch.Generator()), ValueError, "seed and gen"),
    (dict(mu=X, logvar=X, seed=3), TypeError, "seed must be an int64 tensor, got int"),
    (dict(mu=X, logvar=X, seed=SEED.float()), TypeError, "seed must be an int64 tensor"),
    (dict(mu=X, logvar=X, seed=torch.zeros(3).long()), ValueError, "shape (1,) or (2,), got (3,)"),
    (dict(mu=X, logvar=X, generator=7), TypeError, "generator must be a torch.Generator, got int"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), REFUSED)
def test_refusals(api, refuses, arguments, error, words):
    with refuses(error, words):
        api.reparameterize_kl(**arguments)
