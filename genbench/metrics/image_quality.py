"""Peak signal-to-noise ratio of paired images, in decibels.

PSNR = 10 log10(R^2 / mean((x - y)^2)) over all pixels and channels of a pair, R the data range.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from genbench.metrics.intervals import Estimate, mean, mean_estimate
from genbench.metrics.pixels import each_pair, image_pair, row_sums


def psnr(*, real: Any, fake: Any, data_range: float | None = None) -> float:
    """Mean over pairs of the PSNR of real[i] and fake[i], in dB; symmetric in the two.

    Images (N, C, H, W), tensors or arrays: uint8 (data_range 255), or floating in 0..data_range,
    which must then be given. A pair of equal images has an infinite PSNR, and one such pair makes
    an infinite mean; `psnr_each` tells which. Raises InputError as `pixels.image_pair` does, and
    for unequal numbers of images.
    """
    return mean(psnr_each(real=real, fake=fake, data_range=data_range))


def psnr_each(*, real: Any, fake: Any, data_range: float | None = None) -> Tensor:
    """(N,) float64 on the CPU: PSNR of each pair, as `psnr`."""
    return _each(real, fake, data_range, rows=1)


def psnr_estimate(
    *, real: Any, fake: Any, data_range: float | None = None, level: float = 0.95
) -> Estimate:
    """`psnr` with the normal interval of a mean over independent pairs; N >= 2.

    An infinite mean has no interval: its ends are NaN.
    """
    return mean_estimate(_each(real, fake, data_range, rows=2), level=level)


def _each(real: Any, fake: Any, data_range: float | None, rows: int) -> Tensor:
    a, b, width = image_pair(real=real, fake=fake, data_range=data_range)

    def squared_error(x: Tensor, y: Tensor) -> Tensor:
        return row_sums((x - y).square().flatten(1)) / x[0].numel()

    # math.log10: torch's may differ in the last bit between a vector's lanes and the rest
    errors = each_pair(a, b, squared_error, rows=rows).tolist()
    ratios = [10 * math.log10(width**2 / e) if e else math.inf for e in errors]
    return torch.tensor(ratios, dtype=torch.float64)
