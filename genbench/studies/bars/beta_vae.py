"""Bars of `beta_vae`: the KL along beta, and what the mutual-information gap says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from torch.distributions import Normal, kl_divergence

from genbench.data import open_dataset
from genbench.data.shapes import FACTORS, shapes
from genbench.metrics.disentanglement import mutual_information_gap
from genbench.studies.bars.bar import Bar, at_least, within
from genbench.studies.bars.lab import Lab

BETAS, SEEDS = (1.0, 2.0, 4.0, 8.0), 5
VARY = ("x", "y", "size")
SIZE, DIGIT_STEPS, SHAPE_STEPS = 8, 500, 1000
SMALL: dict[str, Any] = {"width": 128, "likelihood": "gaussian", "std": 0.3, "learning_rate": 2e-3}


def bars(lab: Lab) -> Iterator[Bar]:
    """KL along beta on digits, the gap of known codes, the gap on grey discs."""
    yield _kl_falls(lab)
    straight, rotated = known_codes()
    yield within("gap of a perfect code", [straight], 0.98, 1.0)
    yield within("gap of the code rotated by 45 degrees", [rotated], 0.0, 0.02)
    yield _gap_grows(lab)


def _kl_falls(lab: Lab) -> Bar:
    """The least fall of the test KL from one beta to the next."""
    data, falls = open_dataset("digits"), []
    x = data.test.to(lab.device).all().x
    for seed in lab.seeds:
        kls = []
        for beta in BETAS:
            model = lab.train("beta_vae", data, seed=seed, steps=DIGIT_STEPS, beta=beta, **SMALL)
            mu, logvar = model.posterior(x)
            kl = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0))
            kls.append(kl.sum(1).mean().item())
        falls.append(min(a - b for a, b in pairwise(kls)))
    return at_least("least fall of the KL along beta 1, 2, 4, 8, nats", falls, 0)


def known_codes() -> tuple[float, float]:
    """The gap of two uniform factors themselves, and after a turn by 45 degrees."""
    rng = torch.Generator().manual_seed(0)
    v = torch.rand(50000, 2, generator=rng, dtype=torch.float64)
    half = math.sqrt(0.5)
    turned = v @ torch.tensor([[half, -half], [half, half]], dtype=torch.float64)
    straight, rotated = (mutual_information_gap(codes=z, factors=v).gap for z in (v, turned))
    return straight, rotated


def _gap_grows(lab: Lab) -> Bar:
    """Medians over 5 seeds of the gap at every beta; the best above 1 against 1."""
    data = shapes(size=SIZE, kinds=("disc",), colours=(), vary=VARY)
    test = data.test.to(lab.device).all()
    assert test.condition is not None
    factors = test.condition[:, [FACTORS.index(name) for name in VARY]]
    medians = {}
    for beta in BETAS:
        gaps = []
        for seed in range(SEEDS):
            options = {"seed": seed, "steps": SHAPE_STEPS, "beta": beta, "latent_dim": 6}
            model = lab.train("beta_vae", data, **options, **SMALL)
            gaps.append(mutual_information_gap(codes=model.encode(test.x), factors=factors).gap)
        medians[beta] = median(gaps)
    gain = max(m for beta, m in medians.items() if beta > 1) - medians[1.0]
    beside = {f"beta_{beta:g}": m for beta, m in medians.items()}
    return Bar(
        "median gap over 5 seeds, best beta > 1 less beta 1", (gain,), "> 0", gain > 0, beside
    )
