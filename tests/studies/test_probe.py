"""Probes: the same labels for both sides, and codes that know more or less than the data."""

from typing import Any

import pytest
import torch

from genbench import create_model
from genbench.data import Dataset, Split, open_dataset
from genbench.errors import InputError
from genbench.studies.probe import Classifier, fine_tune, label_draws, linear_probe


class Told:
    """A code that is the class itself, or noise, whatever the picture."""

    def __init__(self, known: bool) -> None:
        self.known = known

    def encode(self, x):
        """x (n, 3): the class is where the third number is."""
        if self.known:
            return torch.nn.functional.one_hot(x[:, 2].long(), 3).float()
        return torch.randn(len(x), 3, generator=torch.Generator().manual_seed(len(x)))


def classes(n=90) -> Dataset:
    """Rows whose class is hidden behind numbers a thousand times as large."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    x = torch.cat([1000 * torch.randn(n, 2, generator=rng), labels.unsqueeze(1).float()], dim=1)
    half = n // 2
    return Dataset("toy", Split(x[:half], labels[:half]), Split(x[half:], labels[half:]))


def test_draws_hold_as_many_of_each_class_and_repeat():
    data = classes()
    first, again = (list(label_draws(data, 4, 3, seed=1)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    for rows in first:
        assert len(set(rows.tolist())) == 12
        assert data.train.labels is not None
        assert data.train.labels[rows].bincount().tolist() == [4, 4, 4]
    other = next(label_draws(data, 4, 1, seed=2))
    assert not torch.equal(first[0], other)


def test_a_code_that_knows_the_class_beats_the_data_and_noise_does_not():
    known = linear_probe(Told(True), classes(), per_class=5, draws=2)
    noise = linear_probe(Told(False), classes(), per_class=5, draws=2)
    assert known.raw == noise.raw  # the same labels, whatever the code
    assert known.code == [1.0] * 2
    assert max(known.raw) < 0.8 and max(noise.code) < 0.8  # chance is a third


def small() -> Any:
    torch.manual_seed(0)
    return create_model("autoencoder", data_shape=(1, 8, 8), hidden=(16,), latent_dim=8)


def test_both_networks_differ_in_their_encoder_alone(monkeypatch):
    """Where the fresh encoder is the model's own, both give the same accuracy in every draw."""
    data, model = open_dataset("digits"), small()
    options = {"per_class": 4, "draws": 2, "steps": 5}
    apart = fine_tune(model, data, **options)
    assert apart == fine_tune(model, data, **options)
    assert apart.scratch != apart.initialised
    before = {name: value.clone() for name, value in model.state_dict().items()}
    monkeypatch.setattr(type(model), "build", lambda **config: model)
    same = fine_tune(model, data, **options)
    assert same.scratch == same.initialised == apart.initialised
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())


def test_training_learns_the_labels():
    data, model = open_dataset("digits"), small()
    untrained = Classifier(model.encoder, data, 1e-3).accuracy(data.test)
    (trained,) = fine_tune(
        model, data, per_class=20, draws=1, steps=100, learning_rate=0.01
    ).scratch
    assert untrained < 0.3 < 0.6 < trained


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda d: linear_probe(object(), d), "model: must have encode to be probed, got object"),
        (lambda d: fine_tune(Told(True), d), "model: must have an encoder to start from, got Told"),
        (lambda d: linear_probe(Told(True), d, per_class=16), "per_class: must be from 2 to 15"),
        (lambda d: linear_probe(Told(True), d, per_class=1), "per_class: must be from 2 to 15"),
    ],
)
def test_what_cannot_be_probed_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call(classes())


def test_data_without_labels_are_refused():
    x = torch.zeros(4, 3)
    with pytest.raises(InputError, match="data: must have labels to probe a code, got none"):
        linear_probe(Told(True), Dataset("toy", Split(x), Split(x)))
