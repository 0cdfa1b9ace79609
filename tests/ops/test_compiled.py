"""Every operation in one function, compiled to machine code, beside the eager calls."""

import pytest
import torch
from torch import nn


@pytest.mark.slow
def test_inductor_gives_the_eager_results(api):
    """Tracing is tested with each operation; this compares the code that Inductor generates."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.SiLU(), nn.Linear(8, 1))
    x, y, e = torch.randn(3, 4, 3, 2)
    row = torch.rand(4)

    def every(seed):
        noisy = {"real_target": (0.7, 0.9), "flip_probability": 0.2}
        x_t, noise = api.ddpm_add_noise(x, row, seed=seed)
        return (
            *api.reparameterize_kl(x, y, seed=seed),
            api.discriminator_bce(real=x, fake=y, **noisy, seed=seed),
            api.generator_bce(fake=x),
            api.interpolate(real=x, fake=y, seed=seed),
            api.gradient_norm_penalty(x),
            api.gradient_penalty(net, real=x, fake=y, seed=seed),
            x_t,
            noise,
            api.ddpm_step(x_t, e, alpha=0.9, alpha_bar=row, sigma=row, seed=seed),
        )

    compiled = torch.compile(every, fullgraph=True)
    for seed in (torch.tensor([-3]), torch.tensor([5, 2**33 + 1])):
        for by_code, eager in zip(compiled(seed), every(seed), strict=True):
            torch.testing.assert_close(by_code, eager, rtol=1e-5, atol=1e-5)  # float32 noise
