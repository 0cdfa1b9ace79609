"""Multilayer perceptron, the network of every study on the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with LeakyReLU(slope) between (0: ReLU); flattens its input, shapes its output.

    x (n, *input_shape) -> (n, *output_shape). Weights as torch.nn.Linear initialises them.
    A kind with other layers between overrides `hidden`.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        output_shape: Sequence[int],
        *,
        width: int,
        depth: int,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = [math.prod(input_shape), *[width] * depth]
        layers = [
            layer
            for rows, columns in pairwise(sizes)
            for layer in self.hidden(rows, columns, slope=slope)
        ]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], math.prod(output_shape)))
        self.output_shape = tuple(output_shape)

    def hidden(self, rows: int, columns: int, *, slope: float) -> list[nn.Module]:
        """The layers from one width to the next."""
        return [nn.Linear(rows, columns), nn.LeakyReLU(slope)]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1)).unflatten(1, self.output_shape)


class TanhMLP(MLP):
    """The same with Tanh at its end, for data in [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).tanh()


class TwoClassMLP(MLP):
    """A critic with a logit for each class, real and fake: x (n, *input_shape) -> difference.

    Two classes' cross-entropy is the binary one of the difference of their logits.
    """

    def __init__(
        self, input_shape: Sequence[int], output_shape: Sequence[int], **sizes: Any
    ) -> None:
        super().__init__(input_shape, (2, *output_shape), **sizes)

    def forward(self, x: Tensor) -> Tensor:
        real, fake = super().forward(x).unbind(1)
        return real - fake  # (n, *output_shape)
