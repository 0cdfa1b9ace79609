"""The GAN's presets: their sizes, their rules, and what every model keeps."""

import pytest
import torch
from invariants import check_invariants
from torch import nn

from genbench import create_model
from genbench.errors import InputError
from genbench.nets.mlp import MLP, TwoClassMLP
from genbench.protocol import Batch

X = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("gan", {"width": 8, "depth": 1}),
        ("gan_two_class", {}),
        ("dcgan", {"width": 4, "depth": 2, "traced": False}),  # convolutions are elsewhere
    ],
)
def test_invariants(name, config):
    check_invariants(name, X, **config)


def test_the_two_class_gan_has_the_sizes_of_its_source():
    model = create_model("gan_two_class", data_shape=(1, 32, 32))
    assert sum(p.numel() for p in model.generator.parameters()) == 145_024
    assert sum(p.numel() for p in model.critic.parameters()) == 131_458

    for phase in model.phases:
        spec = model.optimizer(phase)
        assert (spec.name, spec.learning_rate, spec.options) == ("adagrad", 0.1, {})


def test_two_classes_are_learned_by_their_cross_entropy():
    torch.manual_seed(0)
    model = create_model("gan_two_class", data_shape=(1, 8, 8))
    batch = Batch(x=X, seed=torch.tensor([3]))
    logits = MLP.forward(model.critic, X), MLP.forward(model.critic, model._generate(batch))
    classes = [torch.zeros(6, 1, dtype=torch.int64), torch.ones(6, 1, dtype=torch.int64)]
    entropy = nn.CrossEntropyLoss()
    expected = torch.stack([entropy(*p) for p in zip(logits, classes, strict=True)]).sum()
    assert model.loss(batch, "critic")["loss"].item() == pytest.approx(expected.item(), rel=1e-6)
    expected = entropy(logits[1], classes[0])
    found = model.loss(batch, "generator")["loss"].item()
    assert found == pytest.approx(expected.item(), rel=1e-6)


def test_a_two_class_critic_takes_any_shape_of_logits():
    critic = TwoClassMLP((4,), (3, 2), width=8, depth=1)
    assert critic(torch.zeros(5, 4)).shape == (5, 3, 2)


def test_dcgan_keeps_to_its_rules():
    model = create_model("dcgan", data_shape=(3, 32, 32))
    linear = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    assert linear == ["critic.head"]  # only the critic's last layer is fully connected
    assert isinstance(model.generator.layers[-1], nn.Tanh)
    slopes = {m.negative_slope for m in model.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}
    spec = model.optimizer("critic")
    assert (spec.name, spec.learning_rate) == ("adam", 2e-4)
    assert spec.options["betas"] == (0.5, 0.999)


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(InputError, match="optimizer must be one of 'adam', 'adagrad', got 'sgd'"):
        create_model("gan", data_shape=(2,), optimizer="sgd")
