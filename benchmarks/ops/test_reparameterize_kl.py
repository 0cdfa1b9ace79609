"""reparameterize_kl, forward and with its backward pass, float32, rows of 128 latents."""

import pytest
import torch

from genbench import ops

LATENTS = 128
SEED = torch.tensor([1])
SIZES = pytest.mark.parametrize("elements", [2**10, 2**16, 2**20])


def make_inputs(elements):
    generator = torch.Generator().manual_seed(0)
    shape = (elements // LATENTS, LATENTS)
    return [torch.randn(shape, generator=generator).requires_grad_() for _ in range(2)]


def by_hand(mu, logvar, *, seed=None, eps=None):
    """As VAE tutorials have it, with torch's own noise."""
    sigma = torch.exp(0.5 * logvar)
    noise = torch.randn_like(sigma) if eps is None else eps
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)
    return mu + noise * sigma, kl


def function(variant):
    if variant == "eager":
        return by_hand
    if variant == "fused":
        return ops.reparameterize_kl
    if variant == "reference":
        return ops.reference.reparameterize_kl
    return torch.compile(ops.reference.reparameterize_kl, fullgraph=True, dynamic=False)


@SIZES
def test_forward(time_it, variant, elements):
    mu, logvar = (x.detach() for x in make_inputs(elements))
    call = function(variant)
    eps = ops.reference.normal(mu.shape, seed=SEED)
    time_it(
        lambda: call(mu, logvar, seed=SEED),
        ops.reference.reparameterize_kl(mu, logvar, seed=SEED),
        found=by_hand(mu, logvar, eps=eps) if variant == "eager" else None,
        group="reparameterize_kl forward",
        elements=elements,
        bytes_per_element=12,  # mu, logvar, z
        tolerance=1e-5,  # float32: the noise's bound, and sums of 128 terms
    )


@SIZES
def test_forward_and_backward(time_it, variant, elements):
    mu, logvar = make_inputs(elements)
    call = function(variant)
    grad_z = torch.randn(mu.shape, generator=torch.Generator().manual_seed(1))
    grad_kl = torch.full(mu.shape[:1], 0.5)
    eps = ops.reference.normal(mu.shape, seed=SEED)

    def step(operation, **noise):
        z, kl = operation(mu, logvar, **noise)
        return torch.autograd.grad((z, kl), (mu, logvar), (grad_z, grad_kl))

    time_it(
        lambda: step(call, seed=SEED),
        step(ops.reference.reparameterize_kl, seed=SEED),
        found=step(by_hand, eps=eps) if variant == "eager" else None,
        group="reparameterize_kl forward + backward",
        elements=elements,
        bytes_per_element=32,  # and mu, logvar, grad_z again, and two gradients
        tolerance=1e-5,
    )
