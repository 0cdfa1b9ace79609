"""Exponential moving average of weights. Polyak and Juditsky 1992; warm-up as in diffusers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """average <- d average + (1 - d) weights, d = min(decay, (1 + t) / (10 + t)) at update t.

    Parameters are averaged; buffers are the model's own.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._weights = dict(model.named_parameters())
        self._average = {name: p.detach().clone() for name, p in self._weights.items()}
        self._updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Takes the weights as they are now into the average."""
        t = self._updates = self._updates + 1
        decay = min(self._decay, (1 + t) / (10 + t))
        for average, weight in zip(self._average.values(), self._weights.values(), strict=True):
            average.lerp_(weight, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the average as its weights."""
        own = {name: p.detach().clone() for name, p in self._weights.items()}
        self._write(self._average)
        try:
            yield
        finally:
            self._write(own)

    @torch.no_grad()
    def _write(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self._weights.items():
            parameter.copy_(values[name])

    def state_dict(self) -> dict[str, object]:
        """The average, and how many updates it has seen."""
        return {"average": dict(self._average), "updates": self._updates}

    def load_state_dict(self, state: dict) -> None:
        """Go on where `state_dict` was taken."""
        for name, average in self._average.items():
            average.copy_(state["average"][name])
        self._updates = state["updates"]
