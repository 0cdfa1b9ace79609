"""Bars of `gan` and its preset `gan_two_class`, on digits: table "Adversarial: systems"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.data import open_dataset
from genbench.studies.bars.bar import Bar, at_least
from genbench.studies.bars.digit_judges import DigitFrechet, as_bytes, classifier
from genbench.studies.bars.lab import Lab

GAN: dict[str, Any] = {
    "steps": 3000,
    "batch_size": 64,
    "generator": "mlp_tanh",
    "latent_dim": 32,
    "depth": 2,
    "slope": 0.2,
    "loss": "non_saturating+r1",
    "learning_rate": 1e-3,
    "betas": (0.5, 0.99),
}
TWO_CLASS: dict[str, Any] = {"steps": 4000, "batch_size": 16}


def bars(lab: Lab) -> Iterator[Bar]:
    """Of `gan` on native digits."""
    yield from judged(lab, "gan", 8, GAN)


def two_class_bars(lab: Lab) -> Iterator[Bar]:
    """Of `gan_two_class` on digits of its own size, 16 real and 16 generated a batch."""
    yield from judged(lab, "gan_two_class", 32, TWO_CLASS)


def judged(lab: Lab, name: str, size: int, config: dict[str, Any]) -> Iterator[Bar]:
    """How far the Frechet distance fell, and how many classes are drawn."""
    data = open_dataset("digits", size=size)
    judge, x = DigitFrechet(data), data.test.all().x
    falls, ends, classes, means = [], [], [], []
    for seed in lab.seeds:
        start = lab.train(name, data, seed=seed, **{**config, "steps": 0})
        model = lab.train(name, data, seed=seed, **config)
        before, after = (
            judge(m.sample(judge.count, lab.rng(seed, "samples"))) for m in (start, model)
        )
        falls.append(before / after)
        ends.append(after)
        classes.append(held_classes(model.sample(5000, lab.rng(seed, "classes"))))
        with torch.no_grad():
            means.append(model.critic(x.to(lab.device)).sigmoid().mean().item())
    yield at_least(
        "Frechet distance fell from initialisation, times",
        falls,
        5,
        frechet=sum(ends) / len(ends),
        held_out=judge.floor,
    )
    yield at_least(
        "classes that hold more than 1 % of samples",
        classes,
        8,
        discriminator_on_held_out=sum(means) / len(means),
        classifier_on_real=class_accuracy(x, data.test.all().labels),
    )


def held_classes(x: Tensor) -> int:
    """How many of the ten classes the digits' classifier gives to more than 1 % of x."""
    found = classifier()(as_bytes(x)).probabilities
    assert found is not None
    share = torch.bincount(found.argmax(1), minlength=10) / len(x)
    return int((share > 0.01).sum())


def class_accuracy(x: Tensor, labels: Tensor | None) -> float:
    """Of the digits' classifier on real digits."""
    found = classifier()(as_bytes(x)).probabilities
    assert found is not None and labels is not None
    return (found.argmax(1) == labels).float().mean().item()
