"""Noise and operations under torch.func: a batch of seeds is a batch of separate draws."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from genbench import ops

SEEDS = torch.tensor([[3, 0], [-7, 2**33 + 1], [2**62, 5]])


class Calls(TorchDispatchMode):
    """Names of the raw operations that run inside the block."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "genbench":
            self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def loss(mu, logvar, seed):
    z, kl = ops.reparameterize_kl(mu, logvar, seed=seed)
    return z.cos().sum() + kl.square().sum()


@pytest.mark.parametrize("law", ["uniform", "normal"])
@pytest.mark.parametrize("dim", [0, 1])
def test_noise_of_a_batch_of_seeds(either, law, dim):
    def draw(seed):
        return getattr(ops, law)((3, 5), seed=seed, stream=1)

    batch = torch.vmap(draw, in_dims=dim)(SEEDS.movedim(0, dim))
    assert torch.equal(batch, torch.stack([draw(seed) for seed in SEEDS]))
    nested = torch.vmap(torch.vmap(draw))(SEEDS[None])
    assert torch.equal(nested[0], batch)


def test_gradients_of_a_batch_of_seeds(either, rng):
    mu, logvar = torch.randn(2, 3, 4, 6, dtype=torch.float64, generator=rng)
    slopes = torch.vmap(torch.func.grad(loss, argnums=(0, 1)))(mu, logvar, SEEDS)
    for k, seed in enumerate(SEEDS):
        leaves = [x[k].clone().requires_grad_() for x in (mu, logvar)]
        expected = torch.autograd.grad(loss(leaves[0], leaves[1], seed), leaves)
        for got, want in zip(slopes, expected, strict=True):
            torch.testing.assert_close(got[k], want, rtol=1e-12, atol=1e-12)


def test_one_seed_for_all(either, rng):
    mu = torch.randn(3, 4, 6, generator=rng)
    z, _ = torch.vmap(lambda x: ops.reparameterize_kl(x, x, seed=SEEDS[0]))(mu)
    for k in range(3):
        wanted, _ = ops.reparameterize_kl(mu[k], mu[k], seed=SEEDS[0])
        torch.testing.assert_close(z[k], wanted)


def test_forward_mode_agrees_with_reverse(either, rng):
    mu, logvar, direction = torch.randn(3, 4, 6, dtype=torch.float64, generator=rng)
    slope = torch.func.jvp(lambda x: loss(x, logvar, SEEDS[0]), (mu,), (direction,))[1]
    gradient = torch.func.grad(loss)(mu, logvar, SEEDS[0])
    torch.testing.assert_close(slope, (gradient * direction).sum(), rtol=1e-12, atol=0)
    with forward_ad.dual_level():
        dual = loss(forward_ad.make_dual(mu, direction), logvar, SEEDS[0])
        torch.testing.assert_close(forward_ad.unpack_dual(dual).tangent, slope)


def test_the_kernels_draw_under_transforms(kernels, rng):
    mu = torch.randn(3, 4, 6, generator=rng)
    with Calls() as calls:
        torch.vmap(torch.func.grad(loss))(mu, mu, SEEDS)
    assert calls.names == ["normal"] * 3


def test_a_compiled_batch_of_gradients(either, rng):
    mu = torch.randn(3, 4, 6, generator=rng)
    batch = torch.vmap(torch.func.grad(loss))
    compiled = torch.compile(batch, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(mu, mu, SEEDS), batch(mu, mu, SEEDS))


BATCHED = {
    "reparameterize_kl": lambda a, b: torch.stack(
        [x.sum() for x in ops.reparameterize_kl(a, b, seed=SEEDS[0])]
    ),
    "discriminator_bce": lambda a, b: ops.discriminator_bce(
        real=a, fake=b, flip_probability=0.3, seed=SEEDS[0]
    ),
    "generator_bce": lambda a, b: ops.generator_bce(fake=a * b),
    "interpolate": lambda a, b: ops.interpolate(real=a, fake=b, seed=SEEDS[0]),
    "gradient_norm_penalty": lambda a, b: ops.gradient_norm_penalty(a * b),
    "ddpm_add_noise": lambda a, b: ops.ddpm_add_noise(a, 0.3, noise=b)[0],
    "ddpm_step": lambda a, b: ops.ddpm_step(
        a, b, alpha=0.9, alpha_bar=torch.full((2,), 0.3), sigma=0.1, seed=SEEDS[0]
    ),
}


@pytest.mark.parametrize("op", BATCHED)
def test_a_batch_of_gradients_at_once(either, rng, op):
    """torch.autograd.grad(is_grads_batched=True), by which jacobian(vectorize=True) goes."""
    leaves = list(torch.randn(2, 2, 3, dtype=torch.float64, generator=rng).requires_grad_())
    result = BATCHED[op](*leaves)
    slopes = torch.randn(4, *result.shape, dtype=torch.float64, generator=rng)
    batch = torch.autograd.grad(result, leaves, slopes, is_grads_batched=True, retain_graph=True)
    for k, slope in enumerate(slopes):
        wanted = torch.autograd.grad(result, leaves, slope, retain_graph=True)
        for got, want in zip(batch, wanted, strict=True):
            torch.testing.assert_close(got[k], want, rtol=1e-12, atol=1e-12)
