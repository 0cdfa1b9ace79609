"""Structural similarity, on one scale and on several.

SSIM: Wang et al. 2004, IEEE Transactions on Image Processing 13 (4), 600-612. MS-SSIM: Wang,
Simoncelli and Bovik 2003, Asilomar Conference on Signals, Systems and Computers.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.intervals import Estimate, mean, mean_estimate
from genbench.metrics.pixels import each_pair, image_pair, row_sums

K1, K2 = 0.01, 0.03
RADIUS, SIGMA = 5, 1.5  # the 11 x 11 Gaussian window
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang 2003; their sum is 1.0001


def ssim(*, real: Any, fake: Any, data_range: float | None = None) -> float:
    """Mean SSIM of the pairs real[i], fake[i]: -1..1, 1 for equal images; symmetric in the two.

    SSIM = (2 mu_x mu_y + C1) (2 sigma_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (sigma_x^2 + sigma_y^2 +
    C2)), C1 = (0.01 R)^2, C2 = (0.03 R)^2, R the data range; means and population variances under
    an 11 x 11 Gaussian window, sigma 1.5, of weight 1, at every place where it lies inside the
    image (no padding); averaged over places and channels. That is scikit-image's
    structural_similarity with gaussian_weights, sigma 1.5 and use_sample_covariance=False.

    Images (N, C, H, W), tensors or arrays: uint8 (data_range 255), or floating in 0..data_range,
    which must then be given. Raises InputError as `pixels.image_pair` does, for unequal numbers of
    images, and for images smaller than the window.
    """
    return mean(ssim_each(real=real, fake=fake, data_range=data_range))


def ssim_each(*, real: Any, fake: Any, data_range: float | None = None) -> Tensor:
    """(N,) float64 on the CPU: SSIM of each pair, as `ssim`."""
    return _each(real, fake, data_range, most=1, rows=1)


def ssim_estimate(
    *, real: Any, fake: Any, data_range: float | None = None, level: float = 0.95
) -> Estimate:
    """`ssim` with the normal interval of a mean over independent pairs; N >= 2."""
    return mean_estimate(_each(real, fake, data_range, most=1, rows=2), level=level)


def ms_ssim(*, real: Any, fake: Any, data_range: float | None = None) -> float:
    """Mean MS-SSIM of the pairs real[i], fake[i]: 0..1, 1 for equal images; symmetric in the two.

    Product over scales of the mean of SSIM's second factor (contrast and structure) to the power
    of the scale's weight, on the last scale of the mean of all of SSIM; a mean below 0 counts as
    0, where the power does not exist. Then averaged over channels. From one scale to the next the
    image is averaged over 2 x 2 pixels, an odd last row or column with itself. Five scales with the
    published weights where the fifth holds the window, that is from 161 x 161 pixels on; smaller
    images have as many scales as hold it (28 x 28: two), with the first weights divided by their
    sum: such values compare only between images of one size. Input and errors as in `ssim`.
    """
    return mean(ms_ssim_each(real=real, fake=fake, data_range=data_range))


def ms_ssim_each(*, real: Any, fake: Any, data_range: float | None = None) -> Tensor:
    """(N,) float64 on the CPU: MS-SSIM of each pair, as `ms_ssim`."""
    return _each(real, fake, data_range, most=len(SCALE_WEIGHTS), rows=1)


def ms_ssim_estimate(
    *, real: Any, fake: Any, data_range: float | None = None, level: float = 0.95
) -> Estimate:
    """`ms_ssim` with the normal interval of a mean over independent pairs; N >= 2."""
    values = _each(real, fake, data_range, most=len(SCALE_WEIGHTS), rows=2)
    return mean_estimate(values, level=level)


def scale_weights(height: int, width: int, *, most: int = len(SCALE_WEIGHTS)) -> list[float]:
    """Weights of the scales, at most `most`, on which an image holds the window."""
    side, window, scales = min(height, width), 2 * RADIUS + 1, 0
    if side < window:
        raise InputError(
            f"real and fake: SSIM needs images of at least {window} x {window} pixels, its "
            f"window, got {height} x {width}"
        )
    while scales < most and side >= window:
        side, scales = (side + 1) // 2, scales + 1
    weights = SCALE_WEIGHTS[:scales]
    total = 1.0 if scales == len(SCALE_WEIGHTS) else sum(weights)
    return [weight / total for weight in weights]


def _each(real: Any, fake: Any, data_range: float | None, *, most: int, rows: int) -> Tensor:
    a, b, width = image_pair(real=real, fake=fake, data_range=data_range)
    weights = scale_weights(*a.shape[2:], most=most)

    def similarity(x: Tensor, y: Tensor) -> Tensor:
        factors = []  # of each scale (n, C)
        for scale in range(len(weights)):
            last = scale == len(weights) - 1
            factors.append(_mean_similarity(x, y, width, luminance=last))
            if not last:
                x, y = _halved(x), _halved(y)
        return _combined(factors, weights) if most > 1 else _channel_mean(factors[0])

    return each_pair(a, b, similarity, rows=rows)


def _combined(factors: list[Tensor], weights: list[float]) -> Tensor:
    """(n,) from one (n, C) a scale."""
    # Python's power: torch's may differ in the last bit between a vector's lanes and the rest
    product = torch.stack(factors, dim=-1).clamp(min=0).cpu().tolist()
    powers = [
        [math.prod(f**w for f, w in zip(scales, weights, strict=True)) for scales in channels]
        for channels in product
    ]
    return _channel_mean(torch.tensor(powers, dtype=torch.float64))


def _channel_mean(values: Tensor) -> Tensor:
    return row_sums(values) / values.shape[-1]


def _mean_similarity(x: Tensor, y: Tensor, data_range: float, *, luminance: bool) -> Tensor:
    """(n, C): mean over places of contrast and structure, with `luminance` of all of SSIM."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    # x and y enter the variances only by their sum: four windows instead of five
    moments = _window(torch.stack([x, y, x * x + y * y, x * y]))
    mu_x, mu_y = moments[0], moments[1]
    product, squares = mu_x * mu_y, mu_x * mu_x + mu_y * mu_y
    similarity = (2 * (moments[3] - product) + c2) / (moments[2] - squares + c2)
    if luminance:
        similarity = similarity * ((2 * product + c1) / (squares + c1))
    return row_sums(similarity.flatten(2)) / similarity[0, 0].numel()


def _window(x: Tensor) -> Tensor:
    """Gaussian averages of (..., H, W) -> (..., H - 10, W - 10).

    Sums of shifted images, each operation rounded for itself: a convolution adds in an order that
    depends on threads, batch and library.
    """
    powers = [math.exp(-(k**2) / (2 * SIGMA**2)) for k in range(RADIUS + 1)]
    total = powers[0] + 2 * sum(powers[1:])
    for dim in (-2, -1):
        length = x.shape[dim] - 2 * RADIUS
        average = x.narrow(dim, RADIUS, length) * (powers[0] / total)
        for k in range(1, RADIUS + 1):
            both = x.narrow(dim, RADIUS - k, length) + x.narrow(dim, RADIUS + k, length)
            average += both.mul_(powers[k] / total)
        x = average
    return x


def _halved(x: Tensor) -> Tensor:
    """Means over 2 x 2 pixels of (..., H, W); an odd last row or column is averaged with itself."""
    for dim in (-2, -1):
        if x.shape[dim] % 2:
            x = torch.cat([x, x.narrow(dim, -1, 1)], dim=dim)
    rows = x[..., ::2, :] + x[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4
