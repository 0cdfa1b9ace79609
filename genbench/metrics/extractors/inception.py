"""Inception v3 with the weights of the published Frechet distances, through torch-fidelity.

Heusel 2017, arXiv 1706.08500; Salimans 2016, arXiv 1606.03498. Its weights are never downloaded.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from genbench import files
from genbench.errors import InputError
from genbench.metrics.extractors.contract import (
    Extracted,
    check_device,
    check_images,
    digest_of,
    one_line,
)
from genbench.metrics.extractors.parallel import each_on_one_thread
from genbench.metrics.extractors.vision import import_fidelity

SHA256_PREFIX = "6726825d"
FILE = f"weights-inception-2015-12-05-{SHA256_PREFIX}.pth"
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"
_LAYERS = ["2048", "logits_unbiased"]
_BLOCK = 32  # images at a time on a GPU: 1 GiB of activations
_LIMIT = 2**28  # bytes; the file has 95,628,359


class Inception:
    """Images (B, 1 or 3, H, W) uint8 -> features (B, 2048), 1,008 class probabilities.

    Convolutions in float32, TF32 switched off. On a CPU each image goes alone through one thread,
    so neither batch size nor threads change a bit. A GPU differs from it by float32 rounding.
    """

    name = "inception"

    def __init__(self, path: Path, *, device: torch.device) -> None:
        fidelity = import_fidelity()
        content = _checked(path)
        self.device, self.net = device, _net(fidelity, path, content).to(device)
        self.conventions = {
            "layer": "2048, the last average pooling; classes: softmax of logits_unbiased",
            "input": "8-bit values; one channel is repeated to three",
            "resize": "299x299, bilinear as TensorFlow 1, no antialiasing",
            "network": f"torch-fidelity {fidelity.__version__}, inception-v3-compat",
            "weights_sha256": files.sha256(content),
        }
        self.digest = digest_of({"name": self.name, **self.conventions})

    def __call__(self, images: Tensor) -> Extracted:
        """Raises InputError for anything but uint8 (B, 1 or 3, H, W)."""
        check_images(images)
        if len(images) == 0:
            return Extracted(torch.empty(0, 2048), torch.empty(0, 1008))
        if self.device.type == "cpu":
            parts = each_on_one_thread(self._block, images.split(1))
        else:
            with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                parts = [self._block(block) for block in images.split(_BLOCK)]
        features, probabilities = (torch.cat(part) for part in zip(*parts, strict=True))
        return Extracted(features, probabilities)

    @torch.no_grad()  # here: a thread of its own knows nothing of its caller's mode
    def _block(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = self.net(images.to(self.device).expand(-1, 3, -1, -1))
        return features.cpu(), logits.double().softmax(dim=1).float().cpu()


def open_inception(
    *, weights: str | os.PathLike[str] | None = None, device: str | torch.device = "cpu"
) -> Inception:
    """With the weights file at `weights`, else where torch.hub would have put it."""
    place = Path(torch.hub.get_dir()) / "checkpoints" / FILE
    path = place if weights is None else Path(weights)
    where = check_device(device)
    if not path.is_file():
        raise InputError(
            f"features: inception needs its weights, and there is no file '{path}': get {URL}, "
            f"put it at '{place}' or name it (--weights); --features digits and raw need none"
        )
    return Inception(path, device=where)


def _checked(path: Path) -> bytes:
    """The file's content, once its SHA-256 is the published one: before anything unpickles it."""
    size = path.stat().st_size
    content = path.read_bytes() if size <= _LIMIT else b""
    found = files.sha256(content) if content else f"{size} bytes of something else"
    if not found.startswith(SHA256_PREFIX):
        raise InputError(
            f"weights: '{path}' must have a sha256 that begins with {SHA256_PREFIX}, got {found}; "
            f"get {URL}"
        )
    return content


def _net(fidelity: ModuleType, path: Path, content: bytes) -> nn.Module:
    """torch-fidelity's module, on the CPU, with the tensors of `content`."""
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        net = _empty_net(fidelity)
        nn.Module.load_state_dict(net, dict(state), assign=True)
    # torch.load has no error of its own; whatever it raises, these bytes are no weights
    except Exception as error:
        raise InputError(
            f"weights: '{path}' holds no weights of Inception: {one_line(error)}"
        ) from error
    return net.requires_grad_(False).eval()


def _empty_net(fidelity: ModuleType) -> nn.Module:
    """The module without weights.

    Its constructor would unpickle the file it is given and run what is in there. So it gets an
    empty state written here, and what it reads goes nowhere.
    """

    class Unfilled(fidelity.FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: Any, **__: Any) -> None:
            pass

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    with torch.device("meta"):  # draws no random numbers and takes no memory
        return Unfilled("genbench-inception", _LAYERS, feature_extractor_weights_path=nothing)
