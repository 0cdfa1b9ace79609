"""The denoising autoencoder: its noise, and that its optimum is the posterior mean."""

from typing import Any

import pytest
import torch
from invariants import check_invariants

from genbench import create_model, ops
from genbench.errors import InputError
from genbench.protocol import Batch


def made(shape=(1, 8, 8), **config) -> Any:
    torch.manual_seed(0)
    return create_model("denoising_autoencoder", data_shape=shape, hidden=(16,), **config)


def pictures(n=6):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("x", [pictures(), 3 * pictures().flatten(1)[:, :5]])
def test_invariants(x):
    check_invariants("denoising_autoencoder", x, hidden=(16,), latent_dim=4)


def test_the_loss_compares_with_the_clean_picture():
    model, x, seed = made(noise_std=0.25), pictures(), torch.tensor([5])
    noisy = x + 0.25 * ops.normal(x.shape, seed=seed)
    expected = (model.denoise(noisy) - x).flatten(1).norm(dim=1).square().mean()
    torch.testing.assert_close(
        model.loss(Batch(x=x, seed=seed), "model")["loss"].detach(), expected
    )


def test_noise_has_the_deviation_asked_for():
    """Through a network that gives back what it gets, the loss is the noise's own square."""
    model = made((4,), noise_std=0.5, latent_dim=4)
    model.encoder, model.decoder = torch.nn.Identity(), torch.nn.Identity()
    model.eval()
    x = torch.zeros(20_000, 4)
    loss = model.loss(Batch(x=x, seed=torch.tensor([1])), "model")["loss"].item()
    assert loss == pytest.approx(4 * 0.25, rel=0.02)  # chi-squared of 80,000: deviation 0.5 %


def test_the_best_linear_denoiser_is_wieners():
    """For Gaussian data E[x | x + noise] is linear: the loss is least at S / (S + s^2)."""
    variance, noise_std = torch.tensor([4.0, 0.25]), 0.5
    model = made((2,), noise_std=noise_std, latent_dim=2, output="linear")
    model.eval()
    x = variance.sqrt() * torch.randn(50_000, 2, generator=torch.Generator().manual_seed(0))
    layer = torch.nn.Linear(2, 2, bias=False)
    model.encoder, model.decoder = torch.nn.Identity(), layer
    wiener = variance / (variance + noise_std**2)
    torch.nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.weight.diagonal().copy_(wiener)
    loss = model.loss(Batch(x=x, seed=torch.tensor([1])), "model")["loss"]
    (slope,) = torch.autograd.grad(loss, layer.weight)
    assert slope.abs().max() < 0.05  # 2 E|x| |e| / sqrt(50,000), a few deviations
    posterior = (variance * noise_std**2 / (variance + noise_std**2)).sum().item()
    assert loss.item() == pytest.approx(posterior, rel=0.02)


def test_noisy_pictures_may_leave_the_range():
    model = made()
    assert model.denoise(3 * pictures()).abs().max() <= 1
    with pytest.raises(InputError, match=r"x must lie in \[-1, 1\]"):
        model.reconstruct(3 * pictures())


def test_no_noise_is_refused():
    with pytest.raises(InputError, match="noise_std must be a finite number above 0, got 0"):
        made(noise_std=0)
