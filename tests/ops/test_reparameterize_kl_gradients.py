"""Gradients of reparameterize_kl: both orders, function transforms, compilation, checkpoints."""

import pytest
import torch
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.utils.checkpoint import checkpoint

from genbench import ops
from genbench.ops.backend import backend

SEED = torch.tensor([11, 2])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def leaves(rng, *shape, dtype=torch.float64, count=2):
    drawn = (torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(count))
    return [x.to(dtype).requires_grad_() for x in drawn]


def loss(mu, logvar, seed=SEED):
    """Both outputs, so weighted that no gradient is constant."""
    z, kl = ops.reparameterize_kl(mu, logvar, seed=seed)
    return z.float().cos().sum() + kl.square().sum()


OUTPUTS = {
    "both": lambda z, kl: (z, kl),
    "z": lambda z, kl: z,
    "kl": lambda z, kl: kl,
}


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 1, 3), (1, 70)], ids=str)
@pytest.mark.parametrize("pick", OUTPUTS)
def test_gradients_with_a_seed(either, rng, shape, pick):
    def call(mu, logvar):
        return OUTPUTS[pick](*ops.reparameterize_kl(mu, logvar, seed=SEED))

    arguments = leaves(rng, *shape)
    assert gradcheck(call, arguments, fast_mode=True)
    assert gradgradcheck(call, arguments, fast_mode=True)


@pytest.mark.parametrize("pick", OUTPUTS)
def test_gradients_with_noise_given(either, rng, pick):
    def call(mu, logvar, eps):
        return OUTPUTS[pick](*ops.reparameterize_kl(mu, logvar, eps=eps))

    arguments = leaves(rng, 3, 5, count=3)
    assert gradcheck(call, arguments)
    if pick != "kl":  # the KL does not depend on eps: nothing to differentiate twice
        assert gradgradcheck(call, arguments)


@pytest.mark.parametrize("dtype", FLOATS)
def test_slopes_in_closed_form(either, layout, rng, dtype):
    """dz/dmu = 1, dz/dlogvar = sigma eps / 2, dKL/dmu = mu, dKL/dlogvar = (sigma^2 - 1) / 2."""
    mu, logvar = (layout(x.detach()).requires_grad_() for x in leaves(rng, 4, 3, 5, 2, dtype=dtype))
    z, kl = ops.reparameterize_kl(mu, logvar, seed=SEED)
    grad_z = torch.randn(z.shape, generator=rng).to(dtype)
    grad_kl = torch.randn(kl.shape, generator=rng).to(kl.dtype)
    got = torch.autograd.grad((z, kl), (mu, logvar), (grad_z, grad_kl))
    m, v, g = mu.double(), logvar.double(), grad_z.double()
    rows = grad_kl.double().reshape(-1, 1, 1, 1)
    noise = ops.reference.normal(mu.shape, seed=SEED, dtype=torch.float64)
    by_hand = (g + rows * m, (g * (v / 2).exp() * noise + rows * (v.exp() - 1)) / 2)
    rtol = {torch.float16: 2**-11, torch.bfloat16: 2**-8}.get(dtype, 0)  # one rounding to dtype
    atol = 1e-13 if dtype == torch.float64 else 2e-5  # float32 terms up to 50
    for a, b in zip(got, by_hand, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=rtol, atol=atol)


def test_sizes_of_the_backward_chunks(either, rng):
    """Rows that end inside a chunk, across chunks, and long rows; gradients expand from sums."""
    for shape in ((5, 341), (3, 1025), (1, 4099), (700, 3)):
        mu, logvar = leaves(rng, *shape)
        z, kl = ops.reparameterize_kl(mu, logvar, seed=SEED)
        grads = torch.autograd.grad(2 * z.sum() + 3 * kl.sum(), (mu, logvar))
        noise = ops.reference.normal(shape, seed=SEED, dtype=torch.float64)
        sigma = (logvar / 2).exp()
        torch.testing.assert_close(grads[0], 2 + 3 * mu)
        torch.testing.assert_close(grads[1], sigma * noise + 1.5 * (sigma.square() - 1))


def test_absent_gradients_take_no_part(kernels):
    """sigma is infinite here: 0 * infinity would spoil the other output's gradient."""
    mu, logvar = torch.zeros(1, 1), torch.full((1, 1), 120.0)
    by_z = kernels.reparameterize_kl_backward(torch.ones(1, 1), None, mu, logvar, mu, None)
    assert torch.equal(torch.cat(by_z), torch.tensor([[1.0], [0.0]]))
    mu_grad, logvar_grad = kernels.reparameterize_kl_backward(
        None, torch.ones(1), mu, torch.full((1, 1), 200.0), mu, None
    )
    assert mu_grad == 0 and logvar_grad == torch.inf


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_second_derivatives_agree_with_the_reference(kernels, rng, dtype):
    mu, logvar = leaves(rng, 6, 5, dtype=dtype)
    found = []
    for name in ("fused", "reference"):
        with backend(name):
            first = torch.autograd.grad(loss(mu, logvar), (mu, logvar), create_graph=True)
            size = torch.cat([g.square() for g in first]).sum()
            second = torch.autograd.grad(size, (mu, logvar))
        found.append([*first, *second])
    rtol = 1e-10 if dtype == torch.float64 else 1e-4  # float32: noise 1e-6, sums of 5 squares
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=rtol)


def test_function_transforms(either, rng):
    mu, logvar = (x.detach() for x in leaves(rng, 3, 4, 5))
    seeds = torch.tensor([[5], [6], [7]])
    mapped = torch.vmap(loss)(mu, logvar, seeds)
    each = torch.stack([loss(*row) for row in zip(mu, logvar, seeds, strict=True)])
    torch.testing.assert_close(mapped, each, rtol=1e-6, atol=1e-6)  # z passes through float32
    grads = torch.vmap(torch.func.grad(loss, argnums=(0, 1)))(mu, logvar, seeds)
    for i in range(3):
        leaf = [x[i].clone().requires_grad_() for x in (mu, logvar)]
        wanted = torch.autograd.grad(loss(*leaf, seed=seeds[i]), leaf)
        for a, b in zip(grads, wanted, strict=True):
            torch.testing.assert_close(a[i], b, rtol=1e-6, atol=1e-6)


def test_forward_mode(either, rng):
    mu, logvar = (x.detach() for x in leaves(rng, 3, 4))
    along = torch.func.jvp(loss, (mu, logvar), (mu, torch.ones_like(mu)))[1]
    leaf = [x.clone().requires_grad_() for x in (mu, logvar)]
    by_mu, by_logvar = torch.autograd.grad(loss(*leaf), leaf)
    expected = (by_mu * mu + by_logvar).sum().to(along.dtype)
    torch.testing.assert_close(along, expected, rtol=1e-6, atol=1e-6)
    with forward_ad.dual_level():
        dual = [forward_ad.make_dual(x, t) for x, t in ((mu, mu), (logvar, torch.ones_like(mu)))]
        tangent = forward_ad.unpack_dual(loss(*dual)).tangent
    assert tangent is not None and torch.equal(tangent, along)


def test_compiles_whole(either, rng):
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    mu, logvar = leaves(rng, 3, 5, dtype=torch.float32)
    for seed in (torch.tensor([1]), torch.tensor([2])):  # new contents: no new graph, new noise
        assert torch.equal(compiled(mu, logvar, seed), loss(mu, logvar, seed))
        grads = [torch.autograd.grad(f(mu, logvar, seed), (mu, logvar)) for f in (compiled, loss)]
        for a, b in zip(*grads, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(compiled(mu, logvar, SEED), loss(mu, logvar, SEED))


def test_inductor_keeps_the_kernel(kernels, rng):
    compiled = torch.compile(ops.reparameterize_kl, fullgraph=True)
    mu, logvar = (x.detach() for x in leaves(rng, 4, 9, dtype=torch.float32))
    for a, b in zip(
        compiled(mu, logvar, seed=SEED), ops.reparameterize_kl(mu, logvar, seed=SEED), strict=True
    ):
        assert torch.equal(a, b)


def test_a_compiled_function_follows_the_switch(kernels, rng):
    compiled = torch.compile(ops.reparameterize_kl, fullgraph=True, backend="aot_eager")
    mu, logvar = (x.detach() for x in leaves(rng, 64, 64, dtype=torch.float32))
    z = {}
    for name in ("fused", "reference", "fused"):
        with backend(name):
            z[name] = compiled(mu, logvar, seed=SEED)[0]
            assert torch.equal(z[name], ops.reparameterize_kl(mu, logvar, seed=SEED)[0])
    assert not torch.equal(z["fused"], z["reference"])


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint_draws_the_same_noise(either, rng, reentrant):
    def step(mu, logvar):
        z, kl = ops.reparameterize_kl(mu, logvar)
        return z.square().sum() + kl.sum()

    mu, logvar = leaves(rng, 4, 6)
    torch.manual_seed(3)
    plain = torch.autograd.grad(step(mu, logvar), (mu, logvar))
    torch.manual_seed(3)
    checkpoint(step, mu, logvar, use_reentrant=reentrant).backward()
    for a, leaf in zip(plain, (mu, logvar), strict=True):
        assert leaf.grad is not None and torch.equal(a, leaf.grad)
