"""RealNVP: the change of variables against autograd and quadrature, both directions."""

import math
from typing import Any

import pytest
import torch
from invariants import check_invariants

from genbench import create_model
from genbench.errors import InputError
from genbench.nets.coupling import LOG_SCALE, AffineCoupling, checkerboard
from genbench.protocol import Batch
from genbench.train.loop import Trainer, global_seed


def shaken(dtype=torch.float64, **config):
    """A flow far from the identity it begins at."""
    with global_seed(1):
        model = create_model("real_nvp", **{"width": 8, "depth": 2, "layers": 4, **config})
        for parameter in model.parameters():
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    return model.to(dtype)


def points(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)])
def test_invariants(shape):
    check_invariants("real_nvp", points(7, *shape, dtype=torch.float32).tanh(), layers=4, width=8)


@pytest.mark.parametrize("shape", [(2,), (5,), (1, 3, 2)])
def test_the_log_determinant_is_that_of_the_jacobian(shape):
    model, d = shaken(data_shape=shape), math.prod(shape)
    x = points(6, *shape).tanh()

    def flat(row):  # (d,) -> (d,)
        return model._flow(row.view(1, *shape))[0][0]

    jacobian = torch.func.vmap(torch.func.jacrev(flat))(x.flatten(1))
    z = model.encode(x)
    normal = torch.distributions.MultivariateNormal(torch.zeros(d).to(z), torch.eye(d).to(z))
    expected = normal.log_prob(z) + torch.linalg.slogdet(jacobian).logabsdet
    # float64 sums of a few dozen terms
    torch.testing.assert_close(model.log_prob(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-5), (torch.float32, 1e-4)])
def test_decode_inverts_encode(dtype, bound):
    model, x = shaken(data_shape=(1, 4, 4), dtype=dtype), points(50, 1, 4, 4).tanh().to(dtype)
    assert (model.decode(model.encode(x)) - x).abs().max() < bound


def test_the_density_integrates_to_one():
    model = shaken(data_shape=(2,))
    z = points(4000, 2, seed=2)
    low, high = model.decode(5 / 3 * z).aminmax(dim=0)  # as far as mass reaches, and beyond
    axes = [torch.linspace(a, b, 501).double() for a, b in zip(low, high, strict=True)]
    cell = math.prod(axis[1] - axis[0] for axis in axes)
    grid = torch.cartesian_prod(*axes)
    # the trapezoidal rule on cells much smaller than the density's features
    assert model.log_prob(grid).exp().sum() * cell == pytest.approx(1, abs=0.01)


def test_samples_follow_the_density():
    model = shaken(data_shape=(2,))
    x = model.sample(20_000, torch.Generator().manual_seed(0))
    # E 1 over a region where p > c is the region's mass; here E[1/p] over a box is its area
    inside = (x.abs() < 0.5).all(dim=1)
    area = (inside / model.log_prob(x).exp()).mean()
    assert area == pytest.approx(1.0, rel=0.1)  # 4 standard errors of some thousand points


def test_a_new_coupling_is_the_identity_and_the_scale_is_bounded():
    layer: Any = AffineCoupling(torch.tensor([1, 0, 1]), width=4, depth=1)
    x = points(3, 3).float()
    y, log_det = layer(x)
    assert torch.equal(y, x) and torch.equal(log_det, torch.zeros(3))
    layer.network.layers[-1].bias.data.fill_(1e6)
    assert layer(x)[1].tolist() == [LOG_SCALE] * 3


def test_masks_take_turns_and_neighbours_differ():
    assert checkerboard((1, 2, 3)).tolist() == [0, 1, 0, 1, 0, 1]
    model = create_model("real_nvp", data_shape=(2,), layers=3, width=4)
    masks = [coupling.mask.tolist() for coupling in model.couplings]
    assert masks == [[1, 0], [0, 1], [1, 0]]


def test_dequantised_levels_fill_their_bins():
    model = create_model("real_nvp", data_shape=(1, 2, 2), levels=3, width=4)
    x = torch.tensor([-1.0, 0, 1, 1]).repeat(500).view(-1, 1, 2, 2)
    y = model.dequantised(x, torch.tensor([5]))
    level = ((y + 1) * 1.5).floor()  # three bins over [-1, 1]
    assert torch.equal(level, x + 1)
    spread = (y + 1) * 1.5 - level
    assert spread.mean() == pytest.approx(0.5, abs=0.03) and spread.std() > 0.27  # uniform: .289
    batch = Batch(x=x, seed=torch.tensor([5]))
    loss = model.loss(batch, "model")["loss"].item()
    assert loss == pytest.approx(-model.log_prob(y).mean().item())


def test_twenty_steps_learn_a_scale():
    class Points:
        def __next__(self):
            return 0.2 * points(64, 2, dtype=torch.float32)

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    with global_seed(0):
        model = create_model("real_nvp", data_shape=(2,), layers=2, width=8, learning_rate=0.05)
    trainer = Trainer(model, Points(), steps=20, seed=0)
    losses = [trainer.step()["model/loss"].item() for _ in range(20)]
    assert losses[-1] < losses[0] - 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"data_shape": (1,)}, r"data_shape must hold at least 2 numbers, got \(1,\)"),
        ({"data_shape": (2,), "layers": 1}, "layers must be a whole number of at least 2, got 1"),
        ({"data_shape": (2,), "levels": 1}, "levels must be .* or none, got 1"),
    ],
)
def test_a_bad_config_is_refused(config, words):
    with pytest.raises(InputError, match=words):
        create_model("real_nvp", **config)


def test_decode_wants_vectors():
    with pytest.raises(InputError, match=r"z must be \(n, 16\), got \(2, 1, 4, 4\)"):
        shaken(data_shape=(1, 4, 4)).decode(points(2, 1, 4, 4))
