"""Bars of `ddim`: 50 steps beside 1000 of one trained network, and codes that lead back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genbench.data import open_dataset
from genbench.models.diffusion.ddim import DDIM, Config
from genbench.studies.bars.bar import Bar, at_most, wins
from genbench.studies.bars.digit_judges import DigitFrechet
from genbench.studies.bars.lab import Lab
from genbench.train.options import Options

TRAINED: dict[str, Any] = {"steps": 1500, "batch_size": 64, "learning_rate": 2e-3}
AVERAGED = Options(ema=0.995)
NETWORK: dict[str, Any] = {"width": 16, "depth": 1}
COARSE, FINE = 25, 100  # steps there and back


def bars(lab: Lab) -> Iterator[Bar]:
    """The Frechet distance of few steps over that of many, then the error of codes."""
    data = open_dataset("digits")
    judge, x = DigitFrechet(data), data.test.all().x
    shares, errors, gains, beside = [], [], [], {}
    for seed in lab.seeds:
        # "ddpm" and "ddim" train the same network by the same loss
        model = lab.train("ddpm", data, seed=seed, options=AVERAGED, **TRAINED, **NETWORK)

        def chain(steps: int, network: Any = model.network) -> DDIM:
            return DDIM(Config(data.data_shape, steps=steps, **NETWORK), network).eval()

        few, many = (
            judge(each.sample(judge.count, lab.rng(seed, "samples")))
            for each in map(chain, (50, 1000))
        )
        beside = {"few": few, "many": many, "held_out": judge.floor}
        shares.append(few / many)
        coarse, fine = (
            (each.decode(each.encode(x)) - x).square().mean().item()
            for each in map(chain, (COARSE, FINE))
        )
        errors.append(fine)
        gains.append(coarse - fine)
    yield at_most("Frechet distance at 50 steps over that at 1000", shares, 1.25, **beside)
    yield at_most(f"squared error of decode(encode(x)) at {FINE} steps", errors, 0.005)
    yield wins(f"how much less it is than at {COARSE} steps", gains)
