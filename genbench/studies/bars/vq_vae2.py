"""Bars of `vq_vae2`, on native digits: SYSTEMS.md's table "Variational"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.data import open_dataset
from genbench.studies.bars.bar import Bar, at_least, wins
from genbench.studies.bars.digit_judges import DigitFrechet
from genbench.studies.bars.lab import Lab

STEPS, BATCH = 1000, 64
CONFIG: dict[str, Any] = {"width": 32, "prior_width": 32}


def bars(lab: Lab) -> Iterator[Bar]:
    """Codes in use on both levels, error below a VAE's, samples of the prior and of marginals."""
    data = open_dataset("digits")
    x, judge = data.test.all().x, DigitFrechet(data)
    models = {
        seed: lab.train("vq_vae2", data, seed=seed, steps=STEPS, batch_size=BATCH, **CONFIG)
        for seed in lab.seeds
    }
    for level in ("top", "bottom"):
        used = [perplexity(getattr(model.codes(x), level)) for model in models.values()]
        yield at_least(f"perplexity of the {level} codes of held-out digits", used, 16)
    bits = [model.code_bits(x).mean().item() for model in models.values()]
    errors = [error(model, x) for model in models.values()]
    theirs = [
        error(lab.train("vae", data, seed=seed, steps=STEPS, batch_size=BATCH), x)
        for seed in lab.seeds
    ]
    yield wins(
        "held-out squared error below vae's",
        [b - a for a, b in zip(errors, theirs, strict=True)],
        vq_vae2=sum(errors) / len(errors),
        vae=sum(theirs) / len(theirs),
        bits_an_image=sum(bits) / len(bits),
    )
    ours, mixed = [], []
    for seed, model in models.items():
        ours.append(judge(model.sample(judge.count, lab.rng(seed, "samples"))))
        mixed.append(judge(marginal(model, data.train.all().x, judge.count, lab.rng(seed, "mix"))))
    yield wins(
        "Frechet distance of samples below codes drawn from their marginals",
        [b - a for a, b in zip(ours, mixed, strict=True)],
        prior=sum(ours) / len(ours),
        marginals=sum(mixed) / len(mixed),
        held_out=judge.floor,
    )


def perplexity(codes: Tensor) -> float:
    """exp of the entropy of how often each code is used; codes: int64, any shape."""
    share = torch.bincount(codes.flatten()).double() / codes.numel()
    return torch.special.entr(share).sum().exp().item()


def error(model: Any, x: Tensor) -> float:
    """Mean squared error of a pixel."""
    return (model.reconstruct(x) - x).square().mean().item()


def marginal(model: Any, x: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """n pictures whose codes are, at each position by itself, those of some row of x."""
    grids = model.codes(x)
    drawn = []
    for grid in grids:  # (N, height, columns)
        rows = torch.randint(len(grid), (n, *grid.shape[1:]), generator=rng)
        drawn.append(grid.gather(0, rows.to(grid.device)))
    return model.decode(type(grids)(*drawn))
