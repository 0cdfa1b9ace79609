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


def function(variant):
    if variant == "fused":
        return ops.reparameterize_kl
    if variant == "reference":
        return ops.reference.reparameterize_kl
    return torch.compile(ops.reference.reparameterize_kl, fullgraph=True, dynamic=False)


@SIZES
def test_forward(time_it, variant, elements):
    mu, logvar = (x.detach() for x in make_inputs(elements))
    call = function(variant)
    time_it(
        lambda: call(mu, logvar, seed=SEED),
        ops.reference.reparameterize_kl(mu, logvar, seed=SEED),
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

    def step(operation):
        z, kl = operation(mu, logvar, seed=SEED)
        return torch.autograd.grad((z, kl), (mu, logvar), (grad_z, grad_kl))

    time_it(
        lambda: step(call),
        step(ops.reference.reparameterize_kl),
        group="reparameterize_kl forward + backward",
        elements=elements,
        bytes_per_element=32,  # and mu, logvar, grad_z again, and two gradients
        tolerance=1e-5,
    )
