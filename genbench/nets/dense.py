"""Linear layers of given sizes with an activation between, as most encoders and decoders are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "linear": nn.Identity,
}


def dense(sizes: Sequence[int], *, activation: str, last: str = "linear") -> nn.Sequential:
    """(n, sizes[0]) -> (n, sizes[-1]); `last` follows the last layer. Names: of ACTIVATIONS."""
    layers: list[nn.Module] = []
    for rows, columns in pairwise(sizes):
        layers += [nn.Linear(rows, columns), ACTIVATIONS[activation]()]
    layers[-1] = ACTIVATIONS[last]()
    return nn.Sequential(*layers)
