"""Multilayer perceptron with batch normalisation: PacGAN's generator on the plane.

Lin et al. 2018, arXiv 1712.04086, section 4.1; weights and momentum from the authors' code, which
follows ALI (Dumoulin et al. 2016, arXiv 1606.00704). Batch norm: Ioffe 2015, arXiv 1502.03167.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from genbench.nets.weights import draw_normal

STD = 0.02
MOMENTUM = 0.05  # of the running statistics that evaluation uses


class MLPBatchNorm(nn.Module):
    """Linear layers with batch norm and LeakyReLU(slope) between (0: ReLU, as published).

    x (n, *input_shape) -> (n, *output_shape). In training rows of a batch depend on each other and
    n must be at least 2; `eval()` uses the running statistics.
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
        layers: list[nn.Module] = []
        for rows, columns in pairwise(sizes):
            layers += [
                nn.Linear(rows, columns, bias=False),  # batch norm would take a bias away again
                nn.BatchNorm1d(columns, momentum=MOMENTUM),
                nn.LeakyReLU(slope),
            ]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], math.prod(output_shape)))
        self.output_shape = tuple(output_shape)
        draw_normal(self, std=STD)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1)).unflatten(1, self.output_shape)
