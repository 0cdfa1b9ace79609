"""The masked autoencoder: what it may see, and what it may change."""

from typing import Any

import pytest
import torch
from invariants import check_invariants

from genbench import create_model
from genbench.errors import InputError
from genbench.protocol import Batch


def made(shape=(1, 8, 8), **config) -> Any:
    torch.manual_seed(0)
    return create_model("masked_autoencoder", data_shape=shape, hidden=(16,), **config)


def pictures(n=6):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("x", [pictures(), 3 * pictures().flatten(1)[:, :5]])
def test_invariants(x):
    check_invariants("masked_autoencoder", x, hidden=(16,), latent_dim=4)


def test_what_is_hidden_is_neither_read_nor_kept():
    model, x = made(), pictures()
    mask = torch.rand(x.shape, generator=torch.Generator().manual_seed(2)) < 0.6
    filled = model.impute(x, mask)
    assert torch.equal(filled[mask], x[mask])
    other = torch.where(mask, x, -x)
    assert torch.equal(model.impute(other, mask), filled)
    # what is visible is read
    assert not torch.equal(model.impute(-x, mask)[~mask], filled[~mask])


def test_a_hole_is_not_a_grey_pixel():
    model, x = made(), pictures()
    x[:, :, :4] = 0
    mask = torch.ones_like(x, dtype=torch.bool)
    whole = model.code(x, mask)
    mask[:, :, :4] = False
    assert not torch.equal(model.code(x, mask), whole)
    assert torch.equal(model.encode(x), whole.detach())


class ShownMask(torch.nn.Module):
    """The second half of the channels, which is the mask."""

    def forward(self, z):
        return z[:, 1:]


def test_training_hides_the_share_asked_for():
    """Through a network that shows its mask, the loss counts what is visible."""
    model = made((1, 8, 8), hidden_share=0.3, latent_dim=64)
    model.encoder, model.decoder = torch.nn.Identity(), ShownMask()
    model.eval()
    x = torch.zeros(500, 1, 8, 8)
    loss = model.loss(Batch(x=x, seed=torch.tensor([1])), "model")["loss"].item()
    assert loss == pytest.approx(64 * 0.7, rel=0.02)  # 32,000 draws: deviation 0.4 %


def test_a_bad_mask_is_refused():
    with pytest.raises(InputError, match=r"mask must be bool \(6, 1, 8, 8\), got float32"):
        made().impute(pictures(), torch.ones(6, 1, 8, 8))
