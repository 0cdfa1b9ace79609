"""VQ-VAE-2: its loss, codebooks that move after the update, and a prior that sums to 1."""

import itertools
from typing import Any

import pytest
import torch
from invariants import check_invariants

from genbench import create_model
from genbench.errors import InputError
from genbench.models.variational.vq_vae2 import Codes
from genbench.protocol import Batch

SIZES: Any = {"codes": 3, "code_dim": 2, "width": 4, "prior_width": 4, "prior_depth": 1}
X = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
BATCH = Batch(x=X, seed=torch.tensor([3]))


def small(shape=(1, 8, 8), started=True, **config):
    torch.manual_seed(0)
    model = create_model("vq_vae2", data_shape=shape, **{**SIZES, **config})
    if started:  # the first batch puts the codes onto the data
        model.loss(Batch(x=torch.rand(5, *shape) * 2 - 1, seed=BATCH.seed), "autoencoder")
        model.after_update("autoencoder")
    return model


def test_invariants():
    check_invariants("vq_vae2", X, **SIZES)


def test_the_loss_is_error_and_commitment_on_both_levels():
    model = small(beta=0.5)
    h, terms = model.hierarchy, model.loss(BATCH, "autoencoder")
    assert terms["error"].item() == pytest.approx(
        torch.nn.functional.mse_loss(model.reconstruct(X), X).item(), rel=1e-5
    )
    features, z_top = h.before(X)
    e_top = h.top.look_up(model.codes(X).top)
    z_bottom = h.join(features, e_top)
    e_bottom = h.bottom.look_up(model.codes(X).bottom)
    pairs = ((z_top, e_top), (z_bottom, e_bottom))
    commitment = torch.stack([(z - e).square().mean() for z, e in pairs]).sum()
    assert terms["commitment"].item() == pytest.approx(commitment.item(), rel=1e-5)
    total = terms["error"] + 0.5 * terms["commitment"]
    assert terms["loss"].item() == pytest.approx(total.item(), rel=1e-6)


def test_codebooks_move_after_the_autoencoders_update_alone():
    model = small()
    before = model.hierarchy.top.codes.clone()
    for phase in model.phases:
        model.loss(BATCH, phase)
    model.after_update("prior")
    assert torch.equal(model.hierarchy.top.codes, before)
    model.after_update("autoencoder")
    assert not torch.equal(model.hierarchy.top.codes, before)


def test_the_prior_sums_to_one_over_all_codes():
    model = small((1, 4, 4), codes=2)  # one top code, four bottom codes
    with torch.no_grad():
        for weight in model.prior.parameters():  # the start is nearly uniform
            weight.add_(torch.randn(weight.shape))
    rows = torch.tensor(list(itertools.product(range(2), repeat=5)))
    every = Codes(rows[:, :1].view(-1, 1, 1), rows[:, 1:].reshape(-1, 2, 2))
    p = torch.stack(list(model._nats(every))).sum(0).double().neg().exp()
    assert p.sum().item() == pytest.approx(1.0, abs=1e-5)  # float32 logits
    assert p.max() > 1.5 * p.mean()  # and it is not the uniform one
    drawn = model.sample_codes(4000, torch.Generator().manual_seed(0))
    flat = torch.cat([drawn.top.flatten(1), drawn.bottom.flatten(1)], 1)
    number = (flat * torch.tensor([16, 8, 4, 2, 1])).sum(1)
    share = torch.bincount(number, minlength=32) / len(number)
    assert (share - p).abs().max() < 4 * (0.25 / 4000) ** 0.5  # four deviations of a share


def test_bits_are_those_of_the_priors_loss():
    model = small()
    nats = model.loss(BATCH, "prior")["loss"].item()
    bits = model.code_bits(X)
    assert bits.shape == (5,)
    assert bits.mean().item() == pytest.approx(nats / 0.6931471805599453, rel=1e-5)


def test_the_prior_sends_no_gradient_to_the_codes():
    model = small()
    loss = model.loss(BATCH, "prior")["loss"]
    found = torch.autograd.grad(loss, list(model.hierarchy.parameters()), allow_unused=True)
    assert all(g is None for g in found)


def test_unfit_pictures_are_refused():
    for shape in ((16,), (1, 6, 8)):
        with pytest.raises(InputError, match=r"^data_shape must be .* multiples of 4, got"):
            create_model("vq_vae2", data_shape=shape)
