"""The sparse autoencoder: unit columns, what the penalty does, and why columns must be unit."""

from typing import Any

import pytest
import torch
from invariants import check_invariants

from genbench import create_model
from genbench.errors import InputError
from genbench.protocol import Batch
from genbench.train.loop import Trainer

SEED = torch.tensor([0])


def made(**config) -> Any:
    torch.manual_seed(0)
    return create_model("sparse_autoencoder", data_shape=(12,), latent_dim=64, **config)


def rows(n=32):
    return torch.randn(n, 12, generator=torch.Generator().manual_seed(1))


class Same:
    """The same batch without end."""

    def __next__(self):
        return rows()

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        del state


def norms(model):
    return torch.linalg.vector_norm(model.dictionary.weight.detach(), dim=0)


@pytest.mark.parametrize("config", [{}, {"hidden": (9,), "decay": 1e-3}])
def test_invariants(config):
    check_invariants("sparse_autoencoder", rows(6), latent_dim=64, **config)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_columns_keep_unit_norm(compiled):
    model = made(learning_rate=0.1)
    assert model.dictionary.weight.shape == (12, 64)
    torch.testing.assert_close(norms(model), torch.ones(64))
    before = model.dictionary.weight.detach().clone()
    trainer = Trainer(model, Same(), steps=20, seed=0, compiled=compiled)
    for _ in range(20):
        trainer.step()
    torch.testing.assert_close(norms(model), torch.ones(64))  # rounding of 12 squares
    assert (model.dictionary.weight - before).abs().max() > 0.1


def test_a_column_of_zeros_stays_finite():
    model = made()
    torch.nn.init.zeros_(model.dictionary.weight)
    model.after_update("model")
    assert (norms(model) == 0).all()


def test_the_penalty_makes_codes_sparser():
    """After a short training the share of zeros rises with lambda."""
    shares = []
    for sparsity in (0.0, 1.0):
        model = made(sparsity=sparsity, learning_rate=0.01)
        trainer = Trainer(model, Same(), steps=200, seed=0)
        for _ in range(200):
            trainer.step()
        z = model.encode(rows())
        assert z.min() >= 0
        shares.append((z == 0).float().mean().item())
    assert shares[1] > shares[0] + 0.2


def test_the_loss_has_its_terms():
    model, x = made(sparsity=0.3, decay=0.01), rows()
    terms = {k: v.item() for k, v in model.loss(Batch(x=x, seed=SEED), "model").items()}
    z = model.encode(x)
    l1 = torch.linalg.vector_norm(z, ord=1, dim=1).mean().item()
    distance = torch.linalg.vector_norm(x - model.reconstruct(x), dim=1).square().mean().item()
    weight = torch.linalg.matrix_norm(model.encoder[1].weight).item() ** 2
    assert terms["l1"] == pytest.approx(l1, rel=1e-5)  # float32 sums in another order
    assert terms["distance"] == pytest.approx(distance, rel=1e-5)
    assert terms["loss"] == pytest.approx(distance + 0.3 * l1 + 0.01 * weight, rel=1e-5)


def test_without_unit_columns_scale_games_the_penalty():
    """A code a tenth as large, columns ten times as long: the same rows at a tenth of the l1."""
    model, x = made(), rows()
    batch = Batch(x=x, seed=SEED)
    before = {k: v.item() for k, v in model.loss(batch, "model").items()}
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.mul_(0.1)
        model.dictionary.weight.mul_(10)
    gamed = {k: v.item() for k, v in model.loss(batch, "model").items()}
    assert gamed["distance"] == pytest.approx(before["distance"], rel=1e-4)  # float32
    assert gamed["l1"] == pytest.approx(0.1 * before["l1"], rel=1e-4)
    model.after_update("model")  # takes the advantage away
    assert model.loss(batch, "model")["distance"].item() != pytest.approx(
        before["distance"], rel=0.1
    )


def test_a_bias_wakes_every_number_of_the_code():
    assert (made(bias=10.0).encode(rows()) > 0).all()
    silent = made(bias=-10.0)
    assert (silent.encode(rows()) == 0).all()
    loss = silent.loss(Batch(x=rows(), seed=SEED), "model")["loss"]
    assert all((g == 0).all() for g in torch.autograd.grad(loss, list(silent.encoder.parameters())))


def test_a_small_code_is_refused():
    with pytest.raises(InputError, match="latent_dim must be a whole number of at least 64, got 9"):
        create_model("sparse_autoencoder", data_shape=(12,), latent_dim=9)
