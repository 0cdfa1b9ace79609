"""What every feature extractor takes and gives, checked once at the border."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from genbench.errors import InputError


class Extracted(NamedTuple):
    """features (B, d) float32 and, of a classifier, probabilities (B, classes) float32; on CPU."""

    features: Tensor
    probabilities: Tensor | None


class Extractor(Protocol):
    """A function of images (B, C, H, W), uint8, C of 1 or 3, on any device.

    digest: SHA-256 over the weights and the rules that change the output; a key for caches.
    conventions: what a row must say to be repeated: input rule, layer, weights.
    """

    name: str
    digest: str
    conventions: dict[str, str]

    def __call__(self, images: Tensor) -> Extracted: ...


def check_images(images: Tensor) -> None:
    """Raises InputError unless images are uint8 (B, 1 or 3, H, W) with at least one pixel."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        came = str(images.dtype) if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"images: must be a uint8 tensor, got {came.removeprefix('torch.')}")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise InputError(f"images: must be (B, 1 or 3, H, W), got shape {tuple(images.shape)}")


def check_device(device: str | torch.device) -> torch.device:
    """`device` as torch knows it; raises InputError unless it is a CPU or a CUDA device here."""
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"device: must be cpu or cuda, got {device!r}") from error
    if found.type not in ("cpu", "cuda"):
        raise InputError(f"device: must be cpu or cuda, got {device!r}")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise InputError(f"device: torch finds no {found}, only {torch.cuda.device_count()} GPUs")
    return found


def digest_of(conventions: Mapping[str, str]) -> str:
    """SHA-256 of conventions that name all there is: rules, layer and the weights' own SHA-256."""
    return hashlib.sha256(json.dumps(conventions, sort_keys=True).encode()).hexdigest()


def one_line(error: Exception) -> str:
    """What somebody else's error says, without line breaks and no longer than 300 characters."""
    return " ".join(str(error).split())[:300]
