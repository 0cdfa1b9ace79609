"""M2: its bounds against sums over classes, what labels do, and what their absence does."""

import math
from typing import Any

import pytest
import torch
from invariants import check_invariants
from torch.nn.functional import cross_entropy

from genbench import create_model
from genbench.errors import InputError
from genbench.protocol import Batch, Examples
from genbench.train.loop import global_seed

SEED = torch.tensor([3])


def ssl_vae(shape=(3,), **config) -> Any:
    sizes = {"classes": 4, "latent_dim": 2, "width": 8}
    with global_seed(0):
        model: Any = create_model("ssl_vae", data_shape=shape, **{**sizes, **config})
    return model.double()


def points(n, shape=(3,)):
    rng = torch.Generator().manual_seed(1)
    return torch.rand(n, *shape, generator=rng, dtype=torch.float64) * 2 - 1


def terms(model, x, labels):
    return model.loss(Batch(x=x, seed=SEED, labels=labels), "model")


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_invariants(likelihood):
    x = points(6, (1, 3, 3)).float()
    labels = torch.tensor([0, -1, 3, 2, -1, 9])
    check_invariants("ssl_vae", Examples(x, labels), width=8, likelihood=likelihood)


def test_a_batch_without_labels_is_unlabelled():
    model, x = ssl_vae(), points(5)
    none, negative = terms(model, x, None), terms(model, x, torch.full((5,), -1))
    assert torch.equal(none["loss"], negative["loss"])
    assert none["cross_entropy"] == 0


def test_the_cross_entropy_is_that_of_the_labelled_rows():
    model, x = ssl_vae(alpha=7.0), points(5)
    labels = torch.tensor([0, -1, 3, -1, 2])
    found = terms(model, x, labels)
    held = labels >= 0
    expected = cross_entropy(model.classifier(x[held]), labels[held])
    torch.testing.assert_close(found["cross_entropy"], expected)
    torch.testing.assert_close(found["loss"], 7 * expected - found["bound"])


def test_the_bound_of_a_known_label_is_below_the_sum_over_labels():
    """log sum_y exp L(x, y) is the best unlabelled bound: of q(y | x) in proportion to exp L."""
    model, x = ssl_vae(), points(6)
    bounds = model._bounds(x, SEED).detach()
    with torch.no_grad():
        best = torch.logsumexp(bounds, 1)
        of_classifier = (model.classify(x) * (bounds - model.classify(x).log())).sum(1)
    assert (of_classifier < best).all() and (bounds.max(1).values < best).all()
    found = terms(model, x, None)["bound"]
    torch.testing.assert_close(found, of_classifier.mean())
    known = terms(model, x, torch.tensor([0, 1, 2, 3, 0, 1]))["bound"]
    torch.testing.assert_close(
        known, bounds[torch.arange(6), torch.tensor([0, 1, 2, 3, 0, 1])].mean()
    )


def test_the_bound_is_one_of_a_probability():
    """Over all pictures of 3 binary pixels exp(bound) sums to less than 1: each is below p(x)."""
    model = ssl_vae(likelihood="bernoulli")
    every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    many = model.elbo(every.repeat(300, 1), torch.Generator().manual_seed(0))
    found = many.view(300, 8).mean(0).exp().sum().item()
    assert 0.5 < found < 1


def test_without_a_bound_the_classifier_learns_alone():
    model, x = ssl_vae(bound_weight=0.0), points(5)
    labels = torch.tensor([0, 1, 2, 3, -1])
    loss = terms(model, x, labels)["loss"]
    own = dict(model.named_parameters())
    found = torch.autograd.grad(loss, list(own.values()), allow_unused=True)
    moved = {name for name, g in zip(own, found, strict=True) if g is not None}
    assert moved and all(name.startswith("classifier") for name in moved)


def test_labels_choose_what_is_sampled():
    model = ssl_vae()
    draw = lambda y: model.sample(6, torch.Generator().manual_seed(0), labels=y)  # noqa: E731
    zeros, ones = torch.zeros(6, dtype=torch.int64), torch.ones(6, dtype=torch.int64)
    assert torch.equal(draw(zeros), draw(zeros)) and not torch.equal(draw(zeros), draw(ones))
    for wrong in (zeros[:3], zeros.float(), zeros + 4, zeros - 1):
        with pytest.raises(InputError, match=r"labels must be int64 \(6,\) in 0 .. 3, got"):
            draw(wrong)


def test_codes_end_in_the_class():
    model, x = ssl_vae(), points(5)
    codes = model.encode(x)
    assert codes.shape == (5, 6)
    assert torch.equal(codes[:, 2:].argmax(1), model.classify(x).argmax(1))
    assert torch.equal(codes[:, 2:].sum(1), torch.ones(5).double())
    torch.testing.assert_close(model.classify(x).sum(1), torch.ones(5).double())


def test_the_prior_of_the_class_is_uniform():
    """With the same decoder and posterior for every class, a known label costs log of their
    number."""
    model, x = ssl_vae(), points(5)
    with torch.no_grad():
        for net in (model.encoder, model.decoder):
            net.layers[0].weight[:, -4:] = 0
        for net in (model.encoder, model.classifier):
            for parameter in net.parameters():
                parameter.zero_()
    known = terms(model, x, torch.zeros(5, dtype=torch.int64))["bound"]
    seeds = [terms(model, x, None)["bound"] for _ in range(2)]
    assert torch.equal(*seeds)
    # each class has its own draw of z
    noise = model._bounds(x, SEED)
    known_of_all = noise.mean() + math.log(4)
    torch.testing.assert_close(seeds[0], known_of_all)
    torch.testing.assert_close(known, noise[:, 0].mean())
