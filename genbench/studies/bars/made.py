"""Bars of `made`: probabilities that sum to one, and fewer nats than chains and mixtures need.

The baselines are fitted to the same binarised 8 x 8 digits: a logistic regression of each pixel on
those before it, and a mixture of 60 products of Bernoullis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from genbench.data import Dataset, Split, open_dataset
from genbench.studies.bars.bar import Bar, at_most
from genbench.studies.bars.lab import Lab

STEPS, BATCH = 4000, 100
COMPONENTS, ROUNDS = 60, 100


def bars(lab: Lab) -> Iterator[Bar]:
    """All 3 x 3 pictures' probabilities, then nats on held-out digits."""
    data = open_dataset("digits")
    yield at_most(
        "|1 - sum of all 3 x 3 probabilities|", [gap_of_sum(lab, s, data) for s in lab.seeds], 1e-5
    )
    train, test = (binary(split) for split in (data.train, data.test))
    chain, mixture = chain_nats(train, test), mixture_nats(train, test)
    found = []
    for seed in lab.seeds:
        model = lab.train("made", data, seed=seed, steps=STEPS, batch_size=BATCH)
        found.append(-model.log_prob(data.test.all().x).mean().item())
    what = "nats a held-out binarised digit, below a chain of logistic regressions"
    yield at_most(what, found, chain, chain=chain, mixture_of_60=mixture)


def binary(split: Split) -> Tensor:
    """(n, 64) float64 of 0 and 1: pixels with at least half of the ink."""
    return (split.all().x >= 0).flatten(1).double()


def gap_of_sum(lab: Lab, seed: int, data: Dataset) -> float:
    """How far the probabilities of all 512 pictures are from 1, for digits' middles of 3 x 3."""
    middle = Split(data.train.x[:, :, 2:5, 2:5], levels=data.train.levels)
    small = Dataset("middles", middle, middle)
    model = lab.train("made", small, seed=seed, steps=300, width=64, masks=4)
    pictures = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=9))).view(-1, 1, 3, 3)
    return abs(1 - model.log_prob(pictures).double().exp().sum().item())


def chain_nats(train: Tensor, test: Tensor) -> float:
    """Mean nats of test (n, d) under a logistic regression of each pixel on those before it."""
    from sklearn.linear_model import LogisticRegression

    total = 0.0
    for i in range(train.shape[1]):
        share = (train[:, i].sum() + 1) / (len(train) + 2)  # of ink, by Laplace's rule
        ink = share.expand(len(test))
        if i > 0 and 0 < train[:, i].sum() < len(train):
            fit = LogisticRegression(max_iter=1000).fit(train[:, :i].numpy(), train[:, i].numpy())
            ink = torch.from_numpy(fit.predict_proba(test[:, :i].numpy())[:, 1])
        total += nn.functional.binary_cross_entropy(ink, test[:, i]).item()
    return total


def mixture_nats(train: Tensor, test: Tensor) -> float:
    """Mean nats of test (n, d) under a mixture of products of Bernoullis, fitted by EM from seed 0.

    A component's ink is estimated with one picture of even odds added.
    """
    rng = torch.Generator().manual_seed(0)
    share = torch.rand(len(train), COMPONENTS, generator=rng, dtype=torch.float64).softmax(1)
    for _ in range(ROUNDS):
        share = log_joint(train, *_fitted(train, share)).softmax(1)
    return -log_joint(test, *_fitted(train, share)).logsumexp(1).mean().item()


def _fitted(x: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Ink (K, d) and weights (K,) of components that have `share` (n, K) of each picture."""
    counts = share.sum(0)
    return (share.T @ x + 0.5) / (counts[:, None] + 1), counts / len(x)


def log_joint(x: Tensor, ink: Tensor, weights: Tensor) -> Tensor:
    """x (n, d), ink (K, d), weights (K,) -> log-probability of picture and component (n, K)."""
    return x @ ink.log().T + (1 - x) @ (-ink).log1p().T + weights.clamp(min=math.exp(-99)).log()
