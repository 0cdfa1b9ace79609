"""Convolutional networks by the rules of DCGAN. Radford, Metz, Chintala 2015, arXiv 1511.06434.

Section 3: strided and transposed convolutions for pooling, no linear layer but the critic's last,
batch norm everywhere but at the generator's output and the critic's input, Tanh at the generator's
end. Kernels are 4 x 4 of stride 2, which halve and double a grid exactly; sizes are multiples of
2^depth. `dcgan.py` has the networks of smaller, odd pictures that other papers scaled down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from genbench.errors import InputError
from genbench.nets.weights import draw_normal

STD = 0.02  # section 4


def _grid(argument: str, shape: Sequence[int], depth: int) -> tuple[int, tuple[int, int]]:
    """Channels, and the coarsest grid of `shape` (channels, height, width)."""
    if len(shape) != 3 or any(size % 2**depth for size in shape[1:]):
        raise InputError(
            f"{argument} must be (channels, height, width), sizes multiples of 2^depth = "
            f"{2**depth}, got {tuple(shape)}"
        )
    return shape[0], (shape[1] // 2**depth, shape[2] // 2**depth)


class RadfordGenerator(nn.Module):
    """Latents (n, *input_shape) -> pictures (n, channels, height, width) in [-1, 1].

    width: channels of the finest hidden layer, twice as many at each coarser one. depth: how often
    the grid doubles. slope: of LeakyReLU; 0 is the paper's ReLU.
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
        channels, grid = _grid("output_shape", output_shape, depth)
        planes = [width * 2**level for level in range(depth - 1, -1, -1)]
        # the latent is a picture of one pixel; no bias where batch norm would take it away
        layers: list[nn.Module] = [
            nn.Unflatten(1, (math.prod(input_shape), 1, 1)),
            nn.ConvTranspose2d(math.prod(input_shape), planes[0], grid, bias=False),
        ]
        for i, plane in enumerate(planes):
            after = planes[i + 1] if i + 1 < depth else channels
            last = i + 1 == depth
            layers += [
                nn.BatchNorm2d(plane),
                nn.LeakyReLU(slope),
                nn.ConvTranspose2d(plane, after, 4, stride=2, padding=1, bias=last),
            ]
        self.layers = nn.Sequential(*layers, nn.Tanh())
        draw_normal(self, std=STD)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z.flatten(1))


class RadfordCritic(nn.Module):
    """Pictures (n, channels, height, width) -> (n, *output_shape), or `features` (n, features).

    width: channels of the finest hidden layer, twice as many at each coarser one. depth: how often
    the grid is halved, with LeakyReLU(slope), which is .2 in the paper.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        output_shape: Sequence[int],
        *,
        width: int,
        depth: int,
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        channels, grid = _grid("input_shape", input_shape, depth)
        planes = [channels, *(width * 2**level for level in range(depth))]
        layers: list[nn.Module] = []
        for i in range(depth):
            first = i == 0
            layers.append(nn.Conv2d(planes[i], planes[i + 1], 4, 2, padding=1, bias=first))
            layers += [] if first else [nn.BatchNorm2d(planes[i + 1])]
            layers.append(nn.LeakyReLU(slope))
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(planes[-1] * math.prod(grid), math.prod(output_shape))
        self.output_shape = tuple(output_shape)
        draw_normal(self, std=STD)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)).unflatten(1, self.output_shape)
