"""reparameterize_kl on rows of 128 latents. Kingma 2013, arXiv 1312.6114."""

import torch

from benchmarks.operation import BOTH, FORWARD, Noise, Operation

LATENTS = 128


def inputs(elements, generator):
    shape = (elements // LATENTS, LATENTS)
    return tuple(torch.randn(shape, generator=generator) for _ in range(2))


def fused_sums(mu, logvar, noise=None):
    sigma = torch.exp(0.5 * logvar)
    z = torch.addcmul(mu, torch.randn_like(mu) if noise is None else noise, sigma)
    kl = torch.addcmul(torch.addcmul(-logvar, mu, mu), sigma, sigma).sum(1)
    return z, 0.5 * (kl - LATENTS)


def sums_of_rows(mu, logvar, noise=None):
    sigma = torch.exp(0.5 * logvar)
    z = torch.addcmul(mu, torch.randn_like(mu) if noise is None else noise, sigma)
    kl = mu.square().sum(1) + sigma.square().sum(1) - logvar.sum(1)
    return z, 0.5 * (kl - LATENTS)


def distributions():
    """torch.distributions as its documentation has it, arguments validated."""
    from torch.distributions import Normal, kl_divergence

    def function(mu, logvar):
        posterior = Normal(mu, torch.exp(0.5 * logvar))
        prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
        return posterior.rsample(), kl_divergence(posterior, prior).sum(1)

    return function


OPERATIONS = [
    Operation(
        name="reparameterize_kl",
        floors={FORWARD: 12, BOTH: 32},  # mu, logvar, z; again with grad_z, and two gradients
        inputs=inputs,
        forms={"addcmul": fused_sums, "sums of rows": sums_of_rows},
        seeded=lambda function, mu, logvar, seed: function(mu, logvar, seed=seed),
        differentiable=2,
        noise=Noise(
            law="normal",
            shape=lambda mu, logvar: mu.shape,
            solve=lambda outputs, mu, logvar: (outputs[0] - mu) / torch.exp(0.5 * logvar),
        ),
        rivals={"torch.distributions": distributions},
        large=True,
    )
]


def test_reparameterize_kl(row):
    row()
