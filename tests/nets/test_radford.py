"""DCGAN's own networks: shapes, where batch norm and linear layers are, errors."""

import pytest
import torch
from torch import nn

from genbench.errors import InputError
from genbench.nets.radford import RadfordCritic, RadfordGenerator


def layers(net, kind):
    return [layer for layer in net.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize(("shape", "depth"), [((3, 32, 32), 3), ((1, 8, 8), 2), ((2, 8, 16), 1)])
def test_shapes_and_rules(shape, depth):
    torch.manual_seed(0)
    generator = RadfordGenerator((5,), shape, width=4, depth=depth, slope=0.2)
    critic = RadfordCritic(shape, (1,), width=4, depth=depth)
    x = generator(torch.randn(3, 5))
    assert x.shape == (3, *shape) and x.abs().max() <= 1
    assert critic(x).shape == (3, 1)
    assert layers(generator, nn.Linear) == [] and layers(critic, nn.Linear) == [critic.head]
    assert len(layers(generator, nn.BatchNorm2d)) == depth  # all but the output
    assert len(layers(critic, nn.BatchNorm2d)) == depth - 1  # all but the input
    assert critic.head.in_features == critic.features(x).shape[1]


def test_the_grid_is_reached_exactly():
    found = [m.out_channels for m in layers(RadfordGenerator((7,), (3, 32, 32), width=16, depth=3),
             nn.ConvTranspose2d)]  # fmt: skip
    assert found == [64, 32, 16, 3]
    critic = RadfordCritic((3, 32, 32), (2, 5), width=16, depth=3)
    assert critic.head.in_features == 64 * 4 * 4
    assert critic(torch.zeros(2, 3, 32, 32)).shape == (2, 2, 5)


def test_unfit_sizes_are_refused():
    with pytest.raises(InputError, match=r"output_shape must be .* multiples of 2\^depth = 8"):
        RadfordGenerator((5,), (1, 28, 28), width=4, depth=3)
    with pytest.raises(InputError, match=r"input_shape must be .* got \(64,\)"):
        RadfordCritic((64,), (1,), width=4, depth=1)
