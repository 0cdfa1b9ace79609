"""The bottleneck autoencoder: its table of layers, its options, and what each of them computes."""

from typing import Any

import pytest
import torch
from invariants import check_invariants
from torch import nn

from genbench import create_model
from genbench.errors import InputError
from genbench.nets.autoencoding import CodeMoments
from genbench.protocol import Batch

# The published table at latent 3: a layer's width out, and its parameters.
ENCODER = [(128, 100_480), (64, 8_256), (3, 195)]
DECODER = [(64, 256), (128, 8_320), (784, 101_136)]


def pictures(n=6, shape=(1, 8, 8)):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def made(shape=(1, 8, 8), **config) -> Any:
    torch.manual_seed(0)
    return create_model("autoencoder", data_shape=shape, **config)


def rows_of(network):
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    return [(layer.out_features, sum(p.numel() for p in layer.parameters())) for layer in layers]


def test_it_has_the_layers_of_the_table():
    model = made((1, 28, 28))
    # The encoder is the half that goes down to the code: some print the two names swapped.
    assert rows_of(model.encoder) == ENCODER
    assert rows_of(model.decoder) == DECODER
    assert sum(p.numel() for p in model.parameters()) == 218_643
    assert [type(m).__name__ for m in model.decoder][-2:] == ["Tanh", "Unflatten"]
    assert model.encode(pictures(2, (1, 28, 28))).shape == (2, 3)
    assert model.decode(torch.zeros(2, 3)).shape == (2, 1, 28, 28)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"activation": "sigmoid"},
        {"hidden": None, "activation": "sigmoid", "latent_dim": 5},
        {"hidden": None, "activation": "linear", "output": "linear"},
    ],
)
def test_invariants(config):
    check_invariants("autoencoder", pictures(), **config)


def test_invariants_of_vectors():
    x = 3 * torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    check_invariants("autoencoder", x, hidden=(7,), latent_dim=2, output="linear")


def test_the_loss_is_the_distance_to_the_reconstruction():
    model, x = made(), pictures()
    loss = model.loss(Batch(x=x, seed=torch.tensor([0])), "model")["loss"]
    distances = [torch.dist(a, b) ** 2 for a, b in zip(x, model.reconstruct(x), strict=True)]
    torch.testing.assert_close(loss.detach(), sum(distances) / 6)  # sums of 64 in another order


def test_one_layer_puts_its_activation_on_the_code():
    shallow = made(hidden=None, activation="sigmoid", latent_dim=4)
    assert rows_of(shallow.encoder) == [(4, 4 * 65)]
    z = shallow.encode(pictures())
    assert z.min() > 0 and z.max() < 1
    deep = made(activation="sigmoid", latent_dim=4)
    nn.init.constant_(deep.encoder[-2].bias, -3.0)
    assert deep.encode(pictures()).max() < 0  # a code that no sigmoid bounds


def test_linear_layers_make_an_affine_map():
    model = made(activation="linear", output="linear")
    a, b = pictures(2).split(1)
    middle = model.reconstruct((a + b) / 2)
    expected = (model.reconstruct(a) + model.reconstruct(b)) / 2
    torch.testing.assert_close(middle, expected, rtol=1e-4, atol=1e-5)  # float32, six layers
    assert (made().reconstruct((a + b) / 2) - expected).abs().max() > 0.01


def test_samples_have_the_moments_of_the_codes():
    moments = CodeMoments(3)
    rng = torch.Generator().manual_seed(0)
    mean, std = torch.tensor([5.0, 0.0, -2.0]), torch.tensor([0.1, 1.0, 3.0])
    fresh = [torch.Generator().manual_seed(1) for _ in range(2)]
    assert torch.equal(moments.sample(9, fresh[0]), torch.randn(9, 3, generator=fresh[1]))
    for _ in range(300):
        moments.update(mean + std * torch.randn(64, 3, generator=rng))
    z = moments.sample(20_000, rng)
    # the last hundred batches are some 10,000 codes: means within 4 std / 100
    assert ((z.mean(dim=0) - mean).abs() < 0.05 * std).all()
    assert ((z.std(dim=0) / std - 1).abs() < 0.05).all()


def test_evaluation_leaves_the_moments_alone():
    model = made().eval()
    before = {name: value.clone() for name, value in model.moments.state_dict().items()}
    batch = Batch(x=pictures(), seed=torch.tensor([0]))
    model.loss(batch, "model")
    assert all(torch.equal(before[k], v) for k, v in model.moments.state_dict().items())
    model.train().loss(batch, "model")
    assert model.moments.weight > 0


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"latent_dim": 0}, "latent_dim must be a whole number of at least 1, got 0"),
        ({"hidden": ()}, "hidden must be a list, each a whole number.* or none, got"),
        ({"activation": "gelu"}, "activation must be one of 'relu', 'sigmoid', 'linear', got"),
        ({"data_shape": (0,)}, "data_shape must be a list, each a whole number"),
        ({"latent": 3}, "autoencoder has no field 'latent'; did you mean 'latent_dim'"),
    ],
)
def test_a_bad_config_is_refused(config, words):
    with pytest.raises(InputError, match=words):
        create_model("autoencoder", **{"data_shape": (4,), **config})


def test_a_bad_code_is_refused():
    with pytest.raises(InputError, match=r"z must be \(n, 3\), got \(2, 4\)"):
        made().decode(torch.zeros(2, 4))
