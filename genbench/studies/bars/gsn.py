"""Bars of `gsn`, on the ring: SYSTEMS's table "Autoencoders". All chains start in one mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.data import Stream, mixture
from genbench.metrics import mode_coverage, mode_spread
from genbench.metrics.mode_law import tally
from genbench.studies.bars.bar import Bar, at_least, at_most, within
from genbench.studies.bars.lab import Lab

STEPS, BATCH, CHAINS, WALK = 1500, 256, 2000, 500
PERFECT = 0.993  # high quality beyond this is a collapse onto the centres


def bars(lab: Lab) -> Iterator[Bar]:
    """Modes reached, their shares of the chains, quality and width."""
    ring = mixture("ring8")

    def stream(seed: int) -> Stream:
        return Stream(ring.sample, batch_size=BATCH, seed=seed, device=lab.device)

    ends = []
    for seed in lab.seeds:
        model = lab.train("gsn", stream, seed=seed, steps=STEPS, batch_size=BATCH, data_shape=(2,))
        ends.append(_walked(model, ring, lab.rng(seed, "walk")))
    shares = [tally(x, ring).counts[:-1].min().item() / CHAINS for x in ends]
    yield at_least("modes of 8 after 500 steps", [mode_coverage(x, ring).modes for x in ends], 8)
    yield at_least("share of the chains in the rarest mode", shares, 1 / 16, even=1 / 8)
    qualities = [mode_coverage(x, ring).high_quality for x in ends]
    yield within("share of high quality", qualities, 0.8, PERFECT, perfect=0.9889)
    spreads = [mode_spread(x, ring) for x in ends]
    yield at_least("narrowest mode, of its true deviation", [s.least for s in spreads], 0.85)
    yield at_most("widest mode, of its true deviation", [s.most for s in spreads], 1.15)


def _walked(model: Any, ring: Any, rng: torch.Generator) -> Tensor:
    """Where chains are that start at points of the first mode."""
    start = ring.means[0] + ring.sigma * torch.randn(CHAINS, 2, generator=rng, dtype=torch.float64)
    return model.walk(start.to(next(model.parameters())), WALK, rng)
