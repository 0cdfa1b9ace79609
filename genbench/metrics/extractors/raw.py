"""Pixels as features: what a comparison of extractors starts from."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.extractors.contract import (
    Extracted,
    check_device,
    check_images,
    digest_of,
)


class Raw:
    """Images (B, C, H, W) uint8 -> features (B, C H W) in [0, 1], channel by channel."""

    name = "raw"

    def __init__(self) -> None:
        self.conventions = {"layer": "pixels / 255, flattened (C, H, W)", "resize": "none"}
        self.digest = digest_of({"name": self.name, **self.conventions})

    def __call__(self, images: Tensor) -> Extracted:
        """Raises InputError for anything but uint8 (B, 1 or 3, H, W)."""
        check_images(images)
        return Extracted(images.cpu().flatten(1).to(torch.float32) / 255, None)


def open_raw(
    *, weights: str | os.PathLike[str] | None = None, device: str | torch.device = "cpu"
) -> Raw:
    """Pixels; raises InputError for weights, which raw has none of, and an unknown device."""
    check_device(device)
    if weights is not None:
        raise InputError(f"weights: raw has none, got '{weights}'")
    return Raw()
