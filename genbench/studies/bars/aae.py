"""Bars of `aae`, on native digits: SYSTEMS.md's table "Variational". Two priors of the plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.data import open_dataset
from genbench.models.variational.aae import (
    MIXTURE_STD,
    RADIUS,
    ROLL_STD,
    mixture_means,
    roll_curve,
)
from genbench.studies.bars.bar import Bar, at_least, at_most
from genbench.studies.bars.lab import Lab

MODES = PIECES = 10  # of the mixture, and of the roll's length
STEPS, BATCH = 3000, 128


def bars(lab: Lab) -> Iterator[Bar]:
    """Where codes of held-out digits lie: in which modes and how near, then along a swiss roll."""
    data = open_dataset("digits")
    x = data.test.all().x
    for prior, judge in (("mixture", in_modes), ("swiss_roll", on_roll)):
        shares, near, errors = [], [], []
        for seed in lab.seeds:
            sizes: dict[str, Any] = {"steps": STEPS, "batch_size": BATCH}
            model = lab.train("aae", data, seed=seed, prior=prior, **sizes)
            share, close = judge(model.encode(x).cpu())
            shares.append(share)
            near.append(close)
            errors.append((model.reconstruct(x) - x).square().mean().item())
        each = "mode" if prior == "mixture" else "tenth of the roll"
        beside = {"reconstruction_mse": sum(errors) / len(errors)}
        yield at_least(f"{prior}: least share of a {each}", [s.min().item() for s in shares], 0.04)
        yield at_most(f"{prior}: largest share of a {each}", [s.max().item() for s in shares], 0.2)
        yield at_least(f"{prior}: codes within 3 sigma", near, 0.8, **beside, chance=chance(prior))


def in_modes(z: Tensor) -> tuple[Tensor, float]:
    """Share of the codes z (n, 2) nearest to each mean, and of those within 3 sigma of theirs."""
    distance, mode = torch.cdist(z, mixture_means(MODES)).min(1)
    share = torch.bincount(mode, minlength=MODES) / len(z)
    return share, (distance <= 3 * MIXTURE_STD).float().mean().item()


def on_roll(z: Tensor) -> tuple[Tensor, float]:
    """Share nearest to each tenth of the roll's length, and of those within 3 sigma of the roll."""
    count = 400 * PIECES
    distance, point = torch.cdist(z, roll_curve((torch.arange(count) + 0.5) / count)).min(1)
    share = torch.bincount(point * PIECES // count, minlength=PIECES) / len(z)
    return share, (distance <= 3 * ROLL_STD).float().mean().item()


def chance(prior: str) -> float:
    """What points spread evenly over the disc around the prior would get."""
    side = torch.linspace(-1, 1, 101) * (RADIUS + 3 * MIXTURE_STD)
    points = torch.cartesian_prod(side, side)
    inside = points[points.norm(dim=1) <= side[-1]]
    return (in_modes if prior == "mixture" else on_roll)(inside)[1]
