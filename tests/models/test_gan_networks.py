"""The GAN's networks by name and size, with the remedies that rebuild them."""

import pytest
import torch
from small_gan import SEED, gan, points

from genbench.errors import InputError
from genbench.protocol import Batch


@pytest.mark.parametrize("width", [{}, {"critic_width": 3}, {"critic_width": 3, "critic_depth": 1}])
def test_the_critic_has_its_own_size(width):
    model = gan("hinge", **width)
    layers = [m for m in model.critic.modules() if isinstance(m, torch.nn.Linear)]
    assert layers[0].out_features == width.get("critic_width", 8)
    assert len(layers) == width.get("critic_depth", 2) + 1
    assert model.generator.layers[0].out_features == 8


@pytest.mark.parametrize("name", ["critic_width", "critic_depth"])
def test_a_bad_size_of_the_critic_is_refused(name):
    with pytest.raises(
        InputError, match=f"{name} must be a whole number of at least 1 or none, got 0"
    ):
        gan("hinge", **{name: 0})


@pytest.mark.parametrize(
    ("networks", "shape"),
    [
        ({"generator": "mlp_batch_norm", "critic": "maxout"}, (2,)),
        ({"generator": "dcgan_generator", "critic": "dcgan_critic", "width": 4}, (3, 8, 8)),
        ({"generator": "mlp", "critic": "dcgan_critic"}, (1, 8, 8)),
    ],
)
@pytest.mark.parametrize("parts", ["", "+packing2+minibatch_std+spectral_norm+dropout+r1"])
def test_remedies_go_with_every_stock_network(networks, shape, parts):
    model = gan(f"non_saturating{parts}", shape, **networks)
    batch = Batch(x=points(8, shape), seed=SEED)
    for phase in ("critic", "generator"):
        found = torch.autograd.grad(
            model.loss(batch, phase)["loss"],
            list(model.phase_parameters(phase)),
            allow_unused=True,
        )
        assert all(g is None or g.isfinite().all() for g in found)
        assert any(g is not None and g.abs().sum() > 0 for g in found)
    model.eval()
    samples = [model.sample(3, torch.Generator().manual_seed(0)) for _ in range(2)]
    assert samples[0].shape == (3, *shape) and torch.equal(*samples)


def test_an_unknown_network_is_refused():
    with pytest.raises(InputError, match="critic: unknown name 'maxut'; did you mean 'maxout'"):
        gan("hinge", critic="maxut")
    with pytest.raises(InputError, match="generator must be text, got 3"):
        gan("hinge", generator=3)
