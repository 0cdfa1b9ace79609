"""What a study needs to know of its data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from genbench.data.seeded import Source

Scores = dict[str, float | None]

# Every task scores all of these; None where a score makes no sense for it.
SCORES = (
    *("modes", "modes_held", "high_quality", "spread", "kl", "kl_off_mode", "different_bins"),
    *("precision", "recall", "density", "coverage"),
)


class Task(Protocol):
    """The data a model has to imitate and the scores its samples get."""

    name: str
    least_samples: int  # below it the scores mean nothing: a protocol that draws fewer draws these

    @property
    def digest(self) -> str: ...  # of the content
    @property
    def data_shape(self) -> tuple[int, ...]: ...
    @property
    def scale(self) -> float: ...  # training data are divided by it
    @property
    def conventions(self) -> dict[str, str]: ...  # how each score is meant, for the row
    def sample(self, n: int, rng: torch.Generator) -> Tensor: ...
    @property
    def source(self) -> Source: ...  # the same from a seed, on any device
    def score(self, samples: Tensor) -> Scores: ...  # every name of SCORES
    def floor(self, n: int) -> Scores: ...  # what a perfect sampler scores
    def modes(self) -> int: ...
    def arrays(self) -> dict[str, np.ndarray]: ...  # rebuilds the task, draws its picture


def complete(scores: Mapping[str, float | None]) -> Scores:
    """All of `SCORES` in order, None for one that does not exist: JSON has no NaN."""
    found = {name: scores.get(name) for name in SCORES}
    return {name: None if v is None or math.isnan(v) else v for name, v in found.items()}


def mean_scores(trials: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each score over several draws."""
    return {name: math.fsum(t[name] for t in trials) / len(trials) for name in trials[0]}
