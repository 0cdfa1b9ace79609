"""What bars on digits share: their classifier's features, Frechet distances, random codes."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from genbench.data.datasets import Dataset
from genbench.metrics.extractors.digits import Digits, open_digits
from genbench.metrics.frechet import frechet_distance

_open = cache(open_digits)


def classifier() -> Digits:
    """The digits' features (64) and classes; opened once."""
    return _open()


def as_bytes(x: Tensor) -> Tensor:
    """Pictures in [-1, 1], what lies outside clipped, as uint8."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


class DigitFrechet:
    """Frechet distance to the training digits, in the classifier's features.

    Judged are always as many pictures as are held out, so that all distances have the bias of one
    count; `floor` is that of the digits held out.
    """

    def __init__(self, data: Dataset) -> None:
        self._real = self._features(data.train.all().x)
        self.count = len(data.test)
        self.floor = self(data.test.all().x)

    def __call__(self, x: Tensor) -> float:
        """Of pictures (count, 1, 8, 8) in [-1, 1]."""
        return frechet_distance(real=self._real, fake=self._features(x))

    def _features(self, x: Tensor) -> Tensor:
        return classifier()(as_bytes(x)).features


@torch.no_grad()
def random_codes(model: Any, x: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """n pictures decoded from codes whose numbers are independent Gaussians with the means and
    deviations of the codes of x."""
    z = model.encode(x)
    noise = torch.randn(n, z.shape[1], generator=rng).to(z)
    return model.decode(z.mean(0) + z.std(0) * noise)
