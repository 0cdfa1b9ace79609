"""Multilayer perceptron with batch normalisation: PacGAN's generator on the plane.

Lin et al. 2018, arXiv 1712.04086, section 4.1; weights and momentum from the authors' code, which
follows ALI (Dumoulin et al. 2016, arXiv 1606.00704). Batch norm: Ioffe 2015, arXiv 1502.03167.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from genbench.nets.mlp import MLP
from genbench.nets.weights import draw_normal

STD = 0.02
MOMENTUM = 0.05  # of the running statistics that evaluation uses


class MLPBatchNorm(MLP):
    """Linear layers with batch norm and LeakyReLU(slope) between (0: ReLU, as published).

    x (n, *input_shape) -> (n, *output_shape). In training rows of a batch depend on each other and
    n must be at least 2; `eval()` uses the running statistics.
    """

    def __init__(
        self, input_shape: Sequence[int], output_shape: Sequence[int], **sizes: Any
    ) -> None:
        super().__init__(input_shape, output_shape, **sizes)
        draw_normal(self, std=STD)

    def hidden(self, rows: int, columns: int, *, slope: float) -> list[nn.Module]:
        return [
            nn.Linear(rows, columns, bias=False),  # batch norm would take a bias away again
            nn.BatchNorm1d(columns, momentum=MOMENTUM),
            nn.LeakyReLU(slope),
        ]
