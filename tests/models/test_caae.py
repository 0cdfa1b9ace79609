"""The conditional adversarial autoencoder: its terms, whose attribute is whose, its smoothness."""

from typing import Any

import pytest
import torch
from invariants import check_invariants

from genbench import create_model
from genbench.errors import InputError
from genbench.models.variational.caae import total_variation
from genbench.protocol import Batch, Examples

RNG = torch.Generator().manual_seed(0)
X = torch.rand(6, 1, 4, 4, generator=RNG) * 2 - 1
A = torch.rand(6, 2, generator=RNG) * 2 - 1
SEED = torch.tensor([3])


def small(**config):
    torch.manual_seed(0)
    sizes = {"attributes": 2, "width": 8, "depth": 1, "latent_dim": 3}
    return create_model("caae", data_shape=(1, 4, 4), **{**sizes, **config})


@pytest.mark.parametrize("gamma", [0.0, 10.0])
def test_invariants(gamma):
    sizes: Any = {"attributes": 2, "width": 8, "depth": 1, "latent_dim": 3}
    check_invariants("caae", Examples(X, condition=A), gamma=gamma, **sizes)


def test_the_autoencoder_minimises_four_weighted_terms():
    weights = {"lambda_": 3.0, "gamma": 0.5, "code_weight": 2.0, "image_weight": 0.25}
    model, plain = small(**weights), small(**{name: 1.0 for name in weights})
    batch = Batch(x=X, seed=SEED, condition=A)
    found, unit = model.loss(batch, "autoencoder"), plain.loss(batch, "autoencoder")
    names = dict(zip(weights, ("reconstruction", "smoothness", "code", "image"), strict=True))
    for weight, value in weights.items():
        assert found[names[weight]].item() == pytest.approx(value * unit[names[weight]].item())
    total = sum(found[name].item() for name in names.values())
    assert found["loss"].item() == pytest.approx(total, rel=1e-6)
    assert unit["reconstruction"].item() == pytest.approx(
        torch.nn.functional.mse_loss(model.move(X, A), X).item()
    )


def test_the_image_critic_sees_attributes_that_are_not_the_pictures_own():
    model = small()
    moved = model.move(X, A.roll(1, 0))
    logit = model.image_critic(torch.cat([moved.flatten(1), A.roll(1, 0)], 1)).double()
    real = model.image_critic(torch.cat([X.flatten(1), A], 1)).double()
    expected = -(real.sigmoid().log().mean() + (1 - logit.sigmoid()).log().mean())
    found = model.loss(Batch(x=X, seed=SEED, condition=A), "image_critic")["loss"]
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)  # float32 logits


def test_total_variation_of_a_step_and_of_a_ramp():
    step = torch.zeros(1, 1, 4, 4)
    step[..., 2:] = 1.0  # one edge of height 1 a row
    assert total_variation(step).item() == pytest.approx(4 / 16)
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)  # three rises a row
    assert total_variation(ramp).item() == pytest.approx(12 / 16)


def test_an_attribute_is_sampled_as_asked():
    model = small().eval()
    rng = [torch.Generator().manual_seed(0) for _ in range(3)]
    low, high = (torch.full((5, 2), value) for value in (-1.0, 1.0))
    first, again, other = (
        model.sample(5, g, condition=a) for g, a in zip(rng, (low, low, high), strict=True)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_unfit_attributes_are_refused():
    model = small()
    with pytest.raises(InputError, match=r"^condition must be \(n, 2\), got None"):
        model.loss(Batch(x=X, seed=SEED), "autoencoder")
    with pytest.raises(InputError, match=r"^condition must be \(n, 2\), got \(6, 3\)"):
        model.move(X, torch.zeros(6, 3))
    with pytest.raises(InputError, match=r"^condition must have as many rows as x, 6, got 5"):
        model.move(X, A[:5])
    with pytest.raises(InputError, match=r"^data_shape must be \(channels, height, width\)"):
        create_model("caae", data_shape=(16,))
