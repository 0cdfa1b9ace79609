"""Bars of `caae`, on native digits: who is the class, what is moved is the ink of a stroke.

SYSTEMS.md, table "Variational". A picture's ink is measured, not estimated; asked for are the
attributes of other held-out digits, so that they are as spread as real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genbench.data import open_dataset
from genbench.data.datasets import Dataset
from genbench.studies.bars.bar import Bar, at_least
from genbench.studies.bars.digit_judges import as_bytes, classifier
from genbench.studies.bars.lab import Lab

STEPS, BATCH = 3000, 128
CONFIG: dict[str, Any] = {"latent_dim": 16}


def bars(lab: Lab) -> Iterator[Bar]:
    """How far measured ink follows the ink asked for, and how often the class stays."""
    data, low, high = inked(open_dataset("digits"))
    x, labels, own = data.test.all()
    assert labels is not None and own is not None
    tracking, kept, at_home = [], [], []
    for seed in lab.seeds:
        model = lab.train("caae", data, seed=seed, steps=STEPS, batch_size=BATCH, **CONFIG)
        asked = own[torch.randperm(len(own), generator=lab.rng(seed, "asked"))]
        moved = model.move(x.to(lab.device), asked.to(lab.device)).cpu()
        tracking.append(determination(asked, scaled(ink(moved), low, high)))
        kept.append(accuracy(moved, labels))
        at_home.append(accuracy(model.move(x.to(lab.device), own.to(lab.device)).cpu(), labels))
    yield at_least(
        "R^2 of measured against asked ink", tracking, 0.8, unmoved=determination(asked, own)
    )
    yield at_least(
        "class kept",
        kept,
        0.8,
        classifier_on_real=accuracy(x, labels),
        at_own_ink=sum(at_home) / len(at_home),
    )


def ink(x: Tensor) -> Tensor:
    """Mean share of ink of pictures (n, 1, 8, 8) in [-1, 1], (n, 1)."""
    return (x.flatten(1).mean(1, keepdim=True) + 1) / 2


def scaled(share: Tensor, low: float, high: float) -> Tensor:
    """Shares of ink so that [low, high] becomes [-1, 1]."""
    return (share - low) / (high - low) * 2 - 1


def inked(data: Dataset) -> tuple[Dataset, float, float]:
    """The data with their ink as condition, scaled by its 1 % and 99 % quantiles, which follow."""
    ends = ink(data.train.all().x).quantile(torch.tensor([0.01, 0.99]))
    low, high = ends.tolist()
    train, test = (
        replace(split, condition=scaled(ink(split.all().x), low, high))
        for split in (data.train, data.test)
    )
    return replace(data, train=train, test=test), low, high


def determination(asked: Tensor, found: Tensor) -> float:
    """R^2: one less the squared error over the variance of what was asked for."""
    return (1 - (found - asked).square().sum() / (asked - asked.mean()).square().sum()).item()


def accuracy(x: Tensor, labels: Tensor) -> float:
    """Share of pictures that the digits' classifier gives the class `labels`."""
    found = classifier()(as_bytes(x)).probabilities
    assert found is not None
    return (found.argmax(1) == labels).float().mean().item()
