"""The convolutional autoencoder: every shape and count of its table, and the code's true size."""

from typing import Any

import pytest
import torch
from invariants import check_invariants
from torch import nn

from genbench import create_model
from genbench.errors import InputError

# The table: layer, shape out (without the batch), parameters.
ENCODER = [
    ("Conv2d", (32, 10, 10), 320),
    ("ReLU", (32, 10, 10), 0),
    ("MaxPool2d", (32, 5, 5), 0),
    ("Conv2d", (64, 3, 3), 18_496),
    ("ReLU", (64, 3, 3), 0),
    ("MaxPool2d", (64, 2, 2), 0),
]
DECODER = [
    ("ConvTranspose2d", (32, 5, 5), 18_464),
    ("ReLU", (32, 5, 5), 0),
    ("ConvTranspose2d", (16, 15, 15), 12_816),
    ("ReLU", (16, 15, 15), 0),
    ("ConvTranspose2d", (1, 28, 28), 65),
    ("Tanh", (1, 28, 28), 0),
]


def made(shape=(1, 28, 28)) -> Any:
    torch.manual_seed(0)
    return create_model("conv_autoencoder", data_shape=shape)


def pictures(n, shape=(1, 28, 28)):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def rows_of(network: nn.Sequential, x: torch.Tensor):
    rows = []
    for layer in network:
        x = layer(x)
        count = sum(p.numel() for p in layer.parameters())
        rows.append((type(layer).__name__, tuple(x.shape[1:]), count))
    return rows, x


def test_it_has_the_layers_of_the_table():
    model = made()
    # The encoder is the half that goes down to the code: some print the two names swapped.
    rows, code = rows_of(model.encoder, pictures(2))
    assert rows == ENCODER
    assert rows_of(model.decoder, code)[0] == DECODER
    assert sum(p.numel() for p in model.parameters()) == 50_161


def test_a_code_is_all_of_its_256_numbers():
    """A (64, 2, 2) code is not the 64-dimensional vector that some feed to t-SNE: channels alone
    would not lead back to the picture."""
    model, x = made(), pictures(3)
    z = model.encode(x)
    assert z.shape == (3, 256)
    torch.testing.assert_close(z.view(3, 64, 2, 2), model.encoder(x).detach())
    with pytest.raises(InputError, match=r"z must be \(n, 256\), got \(3, 64\)"):
        model.decode(z.view(3, 64, 4).mean(dim=2))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 40)])
def test_invariants(shape):
    check_invariants("conv_autoencoder", pictures(5, shape))


@pytest.mark.parametrize("shape", [(1, 4, 28), (1, 8, 8), (1, 32, 32), (28, 28), (784,)])
def test_sizes_that_do_not_lead_back_are_refused(shape):
    with pytest.raises(InputError, match=r"data_shape must be \(C, H, W\) with H and W of 16, 28"):
        made(shape)
