"""Bars of `ddpm`: all modes of ring and grid at their width, digits nearer than fixed baselines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.data import Dataset, Stream, mixture, open_dataset
from genbench.metrics.spread import coverage_and_spread
from genbench.models import create_model
from genbench.studies.bars.bar import Bar, at_least, at_most, within
from genbench.studies.bars.digit_judges import DigitFrechet, random_codes
from genbench.studies.bars.lab import Lab
from genbench.train.loop import global_seed
from genbench.train.options import Options

PLANE: dict[str, Any] = {"batch_size": 512, "width": 128, "depth": 3}
STEPS = {"ring8": 2000, "grid25": 4000}
# cosine reaches noise in fewer steps: a quarter of the network's calls
DIGITS: dict[str, Any] = {"width": 16, "depth": 1, "timesteps": 250, "noise_schedule": "cosine"}
DIGIT_STEPS = 1500
RATE = 2e-3
AVERAGED = Options(ema=0.995)
JUDGED = 5000  # points of the plane
CODES, CODE_STEPS = 16, 1500  # of the autoencoder whose random codes are a baseline


def bars(lab: Lab) -> Iterator[Bar]:
    """Ring and grid, then digits."""
    for name, steps in STEPS.items():
        modes = len(mixture(name).means)
        found = [plane(lab, seed, name, steps) for seed in lab.seeds]
        held, quality, least, most = (list(column) for column in zip(*found, strict=True))
        yield at_least(f"{name}: modes held", held, modes)
        yield within(f"{name}: share of high quality", quality, 0.9, 0.993)
        yield within(f"{name}: the narrowest mode's deviation over sigma", least, 0.85, 1.15)
        yield within(f"{name}: the widest mode's deviation over sigma", most, 0.85, 1.15)
    data = open_dataset("digits")
    judge = DigitFrechet(data)
    shares, beside = [], {}
    for seed in lab.seeds:
        beside = baselines(lab, seed, data, judge)
        model = lab.train(
            "ddpm",
            data,
            seed=seed,
            steps=DIGIT_STEPS,
            options=AVERAGED,
            learning_rate=RATE,
            **DIGITS,
        )
        x = model.sample(judge.count, lab.rng(seed, "samples"))
        beside["ours"] = judge(x)
        shares.append(beside["ours"] / min(v for name, v in beside.items() if name != "ours"))
    what = "digits: Frechet distance over the nearest fixed baseline's"
    yield at_most(what, shares, 1.0, held_out=judge.floor, **beside)


def plane(lab: Lab, seed: int, name: str, steps: int) -> tuple[float, float, float, float]:
    """Modes held, share of high quality, the least and the most spread, of one seed."""
    truth = mixture(name)

    def batches(key: int) -> Stream:
        size = PLANE["batch_size"]
        return Stream(truth.sample, batch_size=size, seed=key, scale=truth.scale)

    model = lab.train(
        "ddpm",
        batches,
        seed=seed,
        steps=steps,
        data_shape=(2,),
        options=AVERAGED,
        learning_rate=RATE,
        **PLANE,
    )
    x = model.sample(JUDGED, lab.rng(seed, "samples")) * truth.scale
    coverage, spread = coverage_and_spread(x, truth)
    return coverage.modes_held, coverage.high_quality, spread.least, spread.most


def baselines(lab: Lab, seed: int, data: Dataset, judge: DigitFrechet) -> dict[str, float]:
    """Frechet distances of what no training of ours has touched."""
    with global_seed(seed):
        net: Any = create_model("ddpm", data_shape=data.data_shape, **DIGITS)
    coder = lab.train("autoencoder", data, seed=seed, steps=CODE_STEPS, latent_dim=CODES)
    train, count, rng = data.train.all().x, judge.count, lab.rng(seed, "baselines")
    return {
        "untrained": judge(net.eval().sample(count, rng)),
        "pixel_gaussian": judge(pixel_gaussian(train, count, rng)),
        "random_codes": judge(random_codes(coder, train, count, rng)),
    }


def pixel_gaussian(x: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """n draws of the full-covariance Gaussian fitted to pictures x (N, C, H, W)."""
    rows = x.flatten(1).double()
    values, vectors = torch.linalg.eigh(torch.cov(rows.T))  # pixels that never change have 0
    root = vectors * values.clamp(min=0).sqrt()
    noise = torch.randn(n, rows.shape[1], generator=rng, dtype=torch.float64)
    return (rows.mean(0) + noise @ root.T).view(n, *x.shape[1:]).to(x.dtype)
