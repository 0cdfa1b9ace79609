"""Maxout: a unit is the largest of several linear maps. Goodfellow 2013, arXiv 1302.4389.

PacGAN's critic on the plane has three layers of 200 units of 5 pieces (Lin et al. 2018, arXiv
1712.04086, section 4.1), weights as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from genbench.nets.mlp import MLP
from genbench.nets.weights import draw_normal

PIECES = 5
STD = 0.02


class Maxout(nn.Module):
    """h_i(x) = max_j (x W_ij + b_ij): x (n, inputs) -> (n, outputs)."""

    def __init__(self, inputs: int, outputs: int, *, pieces: int = PIECES) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(dim=2)


class MaxoutMLP(MLP):
    """Maxout layers and a linear output: x (n, *input_shape) -> (n, *output_shape).

    `slope` changes nothing: the largest piece is the only nonlinearity.
    """

    def __init__(
        self, input_shape: Sequence[int], output_shape: Sequence[int], **sizes: Any
    ) -> None:
        super().__init__(input_shape, output_shape, **sizes)
        draw_normal(self, std=STD)

    def hidden(self, rows: int, columns: int, *, slope: float) -> list[nn.Module]:
        return [Maxout(rows, columns)]
