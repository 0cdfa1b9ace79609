"""Networks that hear the time: sizes that halving does not divide, time, and frequencies."""

import math

import pytest
import torch

from genbench.nets.denoiser import DenoisingMLP, make_denoiser
from genbench.nets.embed import PlaceEmbedding, sinusoids
from genbench.nets.unet import UNet
from genbench.train.loop import global_seed


def randomised(module):
    for parameter in module.parameters():
        parameter.data.copy_(0.3 * torch.randn(parameter.shape))
    return module.double()


def test_sinusoids_lie_on_circles_of_the_wanted_periods():
    t = torch.tensor([0, 1, 17, 999])
    found = sinusoids(t, 6, longest=100.0)
    angles = torch.complex(found[:, :3], found[:, 3:])
    torch.testing.assert_close(angles.abs(), torch.ones(4, 3))
    for k, period in enumerate((1.0, 10.0, 100.0)):  # over 2 pi
        expected = torch.polar(torch.ones(4), t / period)
        torch.testing.assert_close(angles[:, k], expected, rtol=0, atol=1e-4)  # angles to 1000


def test_places_have_octaves():
    embed = PlaceEmbedding(1, octaves=3)
    found = embed(torch.tensor([[0.3]]))
    expected = [
        0.3,
        *(math.cos(0.3 * 2**j) for j in range(3)),
        *(math.sin(0.3 * 2**j) for j in range(3)),
    ]
    assert found.shape == (1, embed.width) and found[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (2, 1, 1)])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_unet_keeps_any_size_and_every_pixel_reaches_every_other(shape, depth):
    with global_seed(0):
        net = randomised(UNet(shape, width=4, depth=depth))
        x = torch.randn(2, *shape).double().requires_grad_()
    y = net(x, torch.tensor([0, 9]))
    assert y.shape == x.shape
    (slope,) = torch.autograd.grad(y[0, 0, 0, 0], x)
    assert (slope[0] != 0).all() and (slope[1] == 0).all()


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)])
def test_time_is_heard_and_rows_are_apart(shape):
    with global_seed(0):
        net = randomised(make_denoiser(shape, width=8, depth=1))
        x = torch.randn(3, *shape).double()
    y = net(x, torch.tensor([1, 5, 700]))
    alone = torch.cat([net(x[i : i + 1], torch.tensor([t])) for i, t in enumerate((1, 5, 700))])
    torch.testing.assert_close(y, alone)
    assert not torch.allclose(y, net(x, torch.tensor([2, 5, 700])))
    assert torch.allclose(y[1:], net(x, torch.tensor([2, 5, 700]))[1:])


def test_pictures_get_a_unet_and_vectors_a_perceptron():
    assert isinstance(make_denoiser((1, 4, 4), width=4, depth=1), UNet)
    assert isinstance(make_denoiser((3,), width=4, depth=1), DenoisingMLP)
    assert torch.equal(
        make_denoiser((1, 4, 4), width=4, depth=1)(torch.ones(2, 1, 4, 4), torch.tensor([0, 1])),
        torch.zeros(2, 1, 4, 4),  # a new U-Net predicts no noise
    )
