"""Deep convolutional GAN for small images. Radford, Metz, Chintala 2015, arXiv 1511.06434.

Scaled down as Unrolled GAN does for stacked MNIST (Metz et al. 2016, arXiv 1611.02163, appendix D)
and PacGAN after it (Lin et al. 2018, arXiv 1712.04086): 3x3 kernels, batch norm in every hidden
layer, a convolution of stride 1 at the generator's end. On (3, 28, 28) their generator is width 8,
depth 3, and their critic of a quarter of its size width 2, depth 3, slope .3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from genbench.errors import InputError
from genbench.nets.weights import draw_normal

STD = 0.02  # Radford, section 4


def _image(name: str, shape: Sequence[int]) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise InputError(f"{name}: must be (channels, height, width), got {tuple(shape)}")
    channels, height, width = shape
    return channels, height, width


def _sizes(size: int, depth: int) -> list[int]:
    """Sizes from the coarsest grid to `size`, each half of the next, rounded up."""
    return [math.ceil(size / 2**level) for level in range(depth, -1, -1)]


class DCGANGenerator(nn.Module):
    """Latents (n, *input_shape) -> images (n, channels, height, width) in [-1, 1].

    width: channels of the finest hidden layer, twice as many at each coarser one. depth: how often
    the grid doubles. ReLU, as Radford's rules say: `slope` is the critic's alone.
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
        channels, *size = _image("output_shape", output_shape)
        heights, widths = (_sizes(length, depth) for length in size)
        planes = [width * 2**level for level in range(depth, -1, -1)]
        start = (planes[0], heights[0], widths[0])
        layers: list[nn.Module] = [
            nn.Linear(math.prod(input_shape), math.prod(start)),
            nn.Unflatten(1, start),
            nn.BatchNorm2d(planes[0]),
            nn.ReLU(),
        ]
        for i in range(depth):
            # 2 n - 1 rows, and one more where the next grid is even
            odd = (1 - heights[i + 1] % 2, 1 - widths[i + 1] % 2)
            layers += [
                nn.ConvTranspose2d(
                    planes[i], planes[i + 1], 3, stride=2, padding=1, output_padding=odd
                ),
                nn.BatchNorm2d(planes[i + 1]),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(planes[-1], channels, 3, padding=1))
        draw_normal(self, std=STD)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z.flatten(1)).tanh()


class DCGANCritic(nn.Module):
    """Images (n, channels, height, width) -> (n, *output_shape).

    width: channels of the finest hidden layer, twice as many at each coarser one. depth: how often
    the grid is halved, with batch norm and LeakyReLU(slope). In training the images of a batch
    depend on each other, so a gradient penalty is not one image's own.
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
        channels, *size = _image("input_shape", input_shape)
        coarsest = [_sizes(length, depth)[0] for length in size]
        planes = [channels, *(width * 2**level for level in range(depth))]
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [
                nn.Conv2d(planes[i], planes[i + 1], 3, stride=2, padding=1),
                nn.BatchNorm2d(planes[i + 1]),
                nn.LeakyReLU(slope),
            ]
        features = planes[-1] * math.prod(coarsest)
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(features, math.prod(output_shape))
        )
        self.output_shape = tuple(output_shape)
        draw_normal(self, std=STD)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).unflatten(1, self.output_shape)
