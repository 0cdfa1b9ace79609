"""A small classifier of digits, 8x8 and grey, whose penultimate layer gives features.

Trained by tools/train_digits.py on the UCI optical digits (Alpaydin and Kaynak 1998).
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from genbench.errors import InputError
from genbench.folder import load_folder
from genbench.metrics.extractors.contract import (
    Extracted,
    check_device,
    check_images,
    digest_of,
    one_line,
)
from genbench.metrics.extractors.pictures import GREY, RESIZE, grey, resized

KIND = "digits"  # config.json: "extractor"
OWN_WEIGHTS = Path(__file__).parent / "weights" / "digits"
_SHAPE = ("size", "channels", "width", "classes")  # config.json: the network's four numbers
_BLOCK = 256  # images at a time: 64 MiB of activations in float64


class DigitsNet(nn.Module):
    """Light ink on dark ground in [0, 1], (B, 1, size, size) -> features and logits.

    Every layer is a convolution: torch computes those of float64 one image at a time, so what an
    image gives depends neither on the batch around it nor on the number of threads.
    """

    def __init__(self, *, size: int, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.size = size
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.body = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.features = nn.Conv2d(2 * channels, width, size // 2)
        self.classes = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, size, size) -> features (B, width) and logits (B, classes)."""
        x = nn.functional.silu(self.stem(x))  # (B, channels, size, size)
        x = nn.functional.max_pool2d(nn.functional.silu(self.body(x)), 2)
        x = nn.functional.silu(self.features(x))  # (B, width, 1, 1)
        return x.flatten(1), self.classes(x).flatten(1)


class Digits:
    """Images (B, 1 or 3, H, W) uint8 -> features (B, width) and class probabilities."""

    def __init__(
        self, folder: Path, *, name: str, device: torch.device, argument: str = "weights"
    ) -> None:
        """Raises InputError that names `argument` for a folder that holds no digits network."""
        config, tensors = load_folder(folder, argument=argument)
        self.name, self.device = name, device
        self.net = _net(f"{argument}: '{folder}'", config, tensors).double().to(device)
        self.conventions = {
            "layer": "silu of the layer before the classes",
            "input": "value / 255, light ink on dark ground; never inverted",
            "grey": GREY,
            "resize": f"{self.net.size}x{self.net.size}, {RESIZE}",
            "arithmetic": "float64",
            "weights_sha256": config["sha256"],
        }
        self.digest = digest_of({"name": KIND, **self.conventions})

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Extracted:
        """Raises InputError for anything but uint8 (B, 1 or 3, H, W)."""
        check_images(images)
        parts = [self.layers(block.to(self.device)) for block in images.split(_BLOCK)]
        features, logits = (torch.cat(part) for part in zip(*parts, strict=True))
        return Extracted(features.float().cpu(), logits.softmax(dim=1).float().cpu())

    def layers(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, width) and logits (B, classes), float64, where the network is."""
        x = grey(images).double() / 255
        return self.net(resized(x, (self.net.size, self.net.size)))


def open_digits(
    *, weights: str | os.PathLike[str] | None = None, device: str | torch.device = "cpu"
) -> Digits:
    """The classifier that comes along, or one that tools/train_digits.py left in `weights`."""
    folder = OWN_WEIGHTS if weights is None else Path(weights)
    return Digits(folder, name=KIND, device=check_device(device))


def _net(source: str, config: dict[str, object], tensors: dict[str, Tensor]) -> DigitsNet:
    """The network that a folder holds, in evaluation mode; errors begin with `source`."""
    if config.get("extractor") != KIND:
        raise InputError(
            f"{source} must hold an extractor '{KIND}' (tools/train_digits.py writes one), got "
            f"{config.get('extractor')!r}"
        )
    with torch.device("meta"):
        net = DigitsNet(**_numbers(source, config))
    try:
        net.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise InputError(f"{source} does not fit its config.json: {one_line(error)}") from error
    return net.requires_grad_(False).eval()


def _numbers(source: str, config: dict[str, object]) -> dict[str, int]:
    """The network's four numbers; bounded, since they say how much memory is asked for."""
    numbers = {k: v for k in _SHAPE if type(v := config.get(k)) is int and 0 < v <= 4096}
    wrong = [f"{key} {config.get(key)!r}" for key in _SHAPE if key not in numbers]
    if wrong:
        raise InputError(
            f"{source} needs whole numbers from 1 to 4096 in config.json, got {', '.join(wrong)}"
        )
    return numbers
