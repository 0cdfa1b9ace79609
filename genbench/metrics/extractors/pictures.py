"""Pictures made ready for a network: grey values, channels and size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

GREY = "ITU-R 601: (19595 R + 38470 G + 7471 B + 32768) // 65536"
RESIZE = "bilinear with antialiasing, half-pixel centres, no rounding to 8 bit"


def grey(images: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) uint8 -> (B, 1, H, W) uint8; three channels as Pillow's convert("L")."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.to(torch.int32).unbind(1)  # (B, H, W)
    level = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    return level.to(torch.uint8)[:, None]


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) floating -> (B, C, *size); the same values where the size is right.

    Averages over all pixels that an output pixel covers, so that nothing aliases when a picture
    shrinks; the aspect ratio is not kept.
    """
    if images.shape[2:] == size:
        return images
    if len(images) == 0:  # which torch refuses to interpolate
        return images.new_empty((0, images.shape[1], *size))
    return F.interpolate(images, size=size, mode="bilinear", antialias=True)
