"""Packing, minibatch deviation, seeded dropout and spectral norm against computations by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from genbench.errors import InputError
from genbench.nets.dropout import SeededDropout
from genbench.nets.minibatch import MinibatchStd, pack, seen_shape
from genbench.nets.spectral import normalise


def draw(*shape, key=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(key), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(5,), (3, 4), (3, 4, 2)])
def test_packing_keeps_every_number_in_place(shape):
    x = draw(6, *shape)
    packed = pack(x, 3)
    assert packed.shape[1:] == seen_shape(shape, packing=3, minibatch_std=False)
    for row in range(2):
        joined = np.concatenate([x[3 * row + k].numpy() for k in range(3)])
        assert np.array_equal(packed[row].numpy(), joined)


@pytest.mark.parametrize("shape", [(5,), (3, 4, 2)])
def test_the_deviation_enters_as_one_feature_more(shape):
    kept = []
    critic = MinibatchStd(nn.Identity())
    critic.network.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    x = draw(7, *shape)
    critic(x)
    assert kept[0].shape[1:] == seen_shape(shape, packing=1, minibatch_std=True)
    assert torch.equal(kept[0][:, : shape[0]], x)
    added = kept[0][:, shape[0] :].numpy()
    # 1e-8 under the root moves a deviation of about 1 by 5e-9
    assert np.allclose(added, x.numpy().std(axis=0).mean(), rtol=1e-7)


@pytest.mark.parametrize("rows", [1, 4])
def test_a_batch_without_spread_has_finite_second_derivatives(rows):
    critic = MinibatchStd(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))).double()
    x = torch.zeros(rows, 2, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    second = torch.autograd.grad(slope.square().sum(), [x, *critic.parameters()], allow_unused=True)
    assert all(g is None or g.isfinite().all() for g in [slope, *second])


def test_the_deviations_gradients_are_those_of_finite_differences():
    critic = MinibatchStd(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))).double()
    x = draw(4, 2).requires_grad_()
    assert torch.autograd.gradcheck(critic, x) and torch.autograd.gradgradcheck(critic, x)


class Ones(nn.Linear):
    """A layer that passes its input on."""

    def forward(self, x):
        return x


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_its_share(probability):
    network = nn.Sequential(Ones(1, 1), Ones(1, 1))
    dropped = SeededDropout(network, probability)(network, torch.ones(200, 200), torch.tensor([7]))
    kept = (dropped > 0).float().mean().item()
    error = (probability * (1 - probability) / 40_000) ** 0.5
    assert abs(kept - (1 - probability)) < 5 * error
    assert dropped[dropped > 0].unique().tolist() == pytest.approx([1 / (1 - probability)])


def test_layers_drop_independently_and_the_first_input_stays():
    network = nn.Sequential(Ones(1, 1), Ones(1, 1), Ones(1, 1))
    kept = []
    dropout = SeededDropout(network, 0.5)
    for layer in network:
        layer.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    dropout(network, torch.ones(100, 100), torch.tensor([7]))
    assert torch.equal(kept[0], torch.ones(100, 100))
    once, twice = kept[1] > 0, kept[2] > 0
    # a quarter passes two independent masks; 5 standard errors of 10,000 draws
    assert abs(twice.float().mean().item() - 0.25) < 0.022 and (once | ~twice).all()


def test_without_its_seed_a_network_drops_nothing():
    network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)).double()
    x = draw(5, 2)
    before = network(x)
    dropout = SeededDropout(network, 0.5)
    assert not torch.equal(dropout(network, x, torch.tensor([1])), before)
    assert torch.equal(network(x), before)


@pytest.mark.parametrize(
    "layer", [nn.Linear(6, 4), nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(3, 5, 3), nn.Conv1d(2, 3, 2)]
)
def test_spectral_norm_divides_by_the_largest_singular_value(layer):
    weight = layer.weight.detach().clone()
    transposed = isinstance(layer, nn.ConvTranspose2d)
    matrix = (weight.transpose(0, 1) if transposed else weight).flatten(1)
    normalise(nn.Sequential(layer)).train()
    for _ in range(300):  # power iterations
        found = layer.weight
    expected = weight / np.linalg.norm(matrix.numpy(), 2)
    assert torch.allclose(found, expected, rtol=1e-4)  # float32, and what 300 iterations leave


def test_networks_without_layers_are_refused():
    with pytest.raises(InputError, match="critic: spectral_norm needs linear or convolutional"):
        normalise(nn.Sequential(nn.ReLU()))
    with pytest.raises(InputError, match="generator: dropout needs two or more linear"):
        SeededDropout(nn.Sequential(nn.Linear(2, 2)), 0.5)
