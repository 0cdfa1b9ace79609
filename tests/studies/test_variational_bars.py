"""What the bars of variational systems compare with: evidence, few labels, codes, distances."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from genbench.data import open_dataset
from genbench.studies.bars.beta_vae import known_codes
from genbench.studies.bars.digit_judges import DigitFrechet, random_codes
from genbench.studies.bars.flow_vae import STD, Banana, log_evidence
from genbench.studies.bars.hierarchical_vae import OWN, parameters, width_of_as_many
from genbench.studies.bars.ssl_vae import PartlyLabelled, few_of_each


def rng(key=0):
    return torch.Generator().manual_seed(key)


def test_the_evidence_is_the_mean_likelihood_under_the_prior():
    z = torch.randn(10**6, 2, generator=rng(), dtype=torch.float64)
    likelihood = torch.distributions.Normal(0.0, STD).log_prob(Banana()(z)[:, 0, 0]).exp()
    error = likelihood.std().item() / 1000
    assert math.exp(log_evidence()) == pytest.approx(likelihood.mean().item(), abs=4 * error)


def test_known_codes_have_the_gaps_of_a_perfect_and_a_rotated_one():
    straight, rotated = known_codes()
    assert straight > 0.99 and 0 <= rotated < 0.01


def test_batches_are_half_labelled_and_go_on():
    train: Any = open_dataset("digits").train
    rows = few_of_each(train.labels, 3, rng())
    assert train.labels[rows].bincount().tolist() == [3] * 10 and len(rows.unique()) == 30
    batches = PartlyLabelled(train, rows, 5)
    first: Any = next(batches)
    state = batches.state_dict()
    assert (first.labels[:32] >= 0).all() and (first.labels[32:] == -1).all()
    known: Any = train.take(rows)
    matches = (first.x[:32, None] == known.x[None]).flatten(2).all(2)  # (32, 30)
    assert torch.equal(known.labels[matches.int().argmax(1)], first.labels[:32])
    second = next(batches)
    again = PartlyLabelled(train, rows, 5)
    again.load_state_dict(state)
    assert torch.equal(next(again).x, second.x) and not torch.equal(first.x, second.x)


def test_random_codes_keep_each_numbers_moments():
    x = torch.randn(5000, 2, generator=rng()) * torch.tensor([1.0, 3.0]) + torch.tensor([2.0, 0.0])
    x[:, 1] += x[:, 0]
    model = SimpleNamespace(encode=lambda x: x, decode=lambda z: z)
    found = random_codes(model, x, 5000, rng(1))
    # standard errors of 5000: .014 and .045
    torch.testing.assert_close(found.mean(0), x.mean(0), rtol=0, atol=0.2)
    torch.testing.assert_close(found.std(0), x.std(0), rtol=0.05, atol=0)
    assert abs(torch.corrcoef(found.T)[0, 1].item()) < 0.05 < torch.corrcoef(x.T)[0, 1].item()


def test_digits_held_out_are_nearer_than_noise():
    data = open_dataset("digits")
    judge = DigitFrechet(data)
    noise = torch.rand(judge.count, 1, 8, 8, generator=rng()) * 2 - 1
    assert judge.count == 360 and 0 < judge.floor < judge(noise) / 10
    assert judge(data.train.all().x[: judge.count]) < judge(noise) / 10


def test_the_flat_one_has_at_least_as_many_parameters():
    shape = (3, 8, 8)
    width, ours = width_of_as_many(shape), parameters("hierarchical_vae", shape, **OWN)
    flat = parameters("vae", shape, latent_dim=sum(OWN["latent_dims"]), width=width)
    assert ours <= flat < 1.1 * ours
