"""What metrics of images ask of their pixels, and sums whose bits depend on one image alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import as_tensor

_BLOCK_VALUES = 65_536  # pixels held as float64 at once: half a MiB, so that a map stays in cache


def image_batch(images: Any, *, argument: str, data_range: float | None) -> tuple[Tensor, float]:
    """`images` as a tensor (N, C, H, W), uint8 or floating, and the width of their range.

    data_range: 255 for uint8, where None means it; required for floating values, which lie in
    0..data_range. They may go beyond by less than half of it (an output that was not clipped, a
    filter's overshoot); farther they are images of another range. Raises InputError that names
    `argument` for that, and for NaN or infinity, another shape, type or number of images.
    """
    x = as_tensor(images, argument=argument, expected="a tensor or an array (N, C, H, W)")
    if x.ndim != 4 or x.numel() == 0:
        raise InputError(
            f"{argument}: must be images (N, C, H, W), at least one, got shape {tuple(x.shape)}"
        )
    if x.dtype == torch.uint8:
        if data_range not in (None, 255):
            raise InputError(f"data_range: must be 255 for uint8 images, got {data_range:g}")
        return x, 255.0
    if not x.is_floating_point():
        kind = str(x.dtype).removeprefix("torch.")
        raise InputError(f"{argument}: must be uint8 or floating, got {kind}")
    if data_range is None:
        raise InputError(f"data_range: must be given for floating images, as {argument} are")
    if not 0 < data_range < math.inf:
        raise InputError(f"data_range: must be a finite number > 0, got {data_range}")
    _check_values(x, argument, data_range)
    return x, float(data_range)


def image_pair(*, real: Any, fake: Any, data_range: float | None) -> tuple[Tensor, Tensor, float]:
    """Both as `image_batch` has them; InputError where shapes of an image, types or devices differ.

    uint8 goes with uint8, floating with floating of any precision.
    """
    a, width = image_batch(real, argument="real", data_range=data_range)
    b, _ = image_batch(fake, argument="fake", data_range=data_range)
    kinds = [str(x.dtype).removeprefix("torch.") for x in (a, b)]
    if a.shape[1:] != b.shape[1:]:
        shapes = f"{tuple(a.shape[1:])} and {tuple(b.shape[1:])}"
        raise InputError(f"real and fake: must have the same image shape (C, H, W), got {shapes}")
    if a.is_floating_point() != b.is_floating_point():
        raise InputError(
            f"real and fake: must both be uint8 or both floating, got {kinds[0]} and {kinds[1]}"
        )
    if a.device != b.device:
        raise InputError(f"real and fake: must be on one device, got {a.device} and {b.device}")
    return a, b, width


def each_pair(
    a: Tensor, b: Tensor, measured: Callable[[Tensor, Tensor], Tensor], *, rows: int = 1
) -> Tensor:
    """(N,) float64 on the CPU: measured(block of a, block of b), (n, C, H, W) float64 -> (n,).

    Raises InputError where there are not as many `b`, the fakes, as `a`, the reals, or fewer than
    `rows` of them.
    """
    if len(a) != len(b):
        raise InputError(
            f"real and fake: must be as many images, pair by pair, got {len(a)} and {len(b)}"
        )
    if len(a) < rows:
        raise InputError(f"real: must have at least {rows} images, got {len(a)}")
    size = max(1, _BLOCK_VALUES // a[0].numel())
    blocks = zip(a.split(size), b.split(size), strict=True)
    return torch.cat([measured(x.double(), y.double()).cpu() for x, y in blocks])


def row_sums(x: Tensor) -> Tensor:
    """Sums over the last dimension, by adding its halves: torch's sum of one row depends on the
    number of threads, and on the rows beside it for its path through vector registers."""
    while (width := x.shape[-1]) > 1:
        half = (width + 1) // 2
        folded = x[..., :half].clone()
        folded[..., : width - half] += x[..., half:]
        x = folded
    return x[..., 0]


def _check_values(x: Tensor, argument: str, data_range: float) -> None:
    low, high = x.flatten(1).amin(dim=1), x.flatten(1).amax(dim=1)  # NaN where an image holds one
    bad = (~(low.isfinite() & high.isfinite())).nonzero()[:, 0]
    if len(bad):
        raise InputError(
            f"{argument}: must be finite, got NaN or infinity in {len(bad)} of {len(x)} images, "
            f"first in image {int(bad[0])}"
        )
    outside = ((low <= -data_range / 2) | (high >= 1.5 * data_range)).nonzero()[:, 0]
    if len(outside):
        image = int(outside[0])
        raise InputError(
            f"{argument}: must lie in 0..data_range = {data_range:g}, got {low[image].item():g} to "
            f"{high[image].item():g} in image {image}; for images in [-1, 1] add 1, data_range 2"
        )
