"""Readers of digits: what tells which class a generated digit is."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from genbench.data.stacked import CLASSES, StackedDigits
from genbench.metrics.extractors.digits import DigitsNet, open_digits
from genbench.metrics.extractors.pictures import resized
from genbench.metrics.reductions import single_threaded

RECIPE = "Adam 3e-3 by cosine, 3 epochs or 600 steps, batch 128, seed 0"
_EPOCHS, _STEPS, _BATCH, _RATE = 3, 600, 128, 3e-3
_SHAPE = {"channels": 12, "width": 64, "classes": CLASSES}
_BLOCK = 256  # digits at a time; larger blocks leave the cache


class Reader:
    """Digits (B, H, W) in [0, 1], light ink -> features (B, width) and classes (B,).

    Float32 on one thread, so that a row does not depend on the number of threads.
    """

    def __init__(self, net: DigitsNet) -> None:
        net = net.float().eval().requires_grad_(False)
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @single_threaded()
    @torch.no_grad()
    def __call__(self, digits: Tensor) -> tuple[Tensor, Tensor]:
        parts = [self._read(block) for block in digits.split(_BLOCK)]
        features, classes = (torch.cat(part) for part in zip(*parts, strict=True))
        return features, classes

    def _read(self, block: Tensor) -> tuple[Tensor, Tensor]:
        x = resized(block[:, None].float(), (self.net.size, self.net.size))
        features, logits = self.net(x.contiguous(memory_format=torch.channels_last))
        return features, logits.argmax(dim=1)

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights by name, the network's size, and the SHA-256 of both."""
        weights = {k: v.contiguous().numpy() for k, v in self.net.state_dict().items()}
        size = np.array(self.net.size)
        return {**weights, "size": size, "sha256": np.array(_sha256(weights, size))}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Reader:
        """The reader of `arrays`; raises ValueError where they were changed."""
        weights = {k: v for k, v in arrays.items() if k not in ("size", "sha256")}
        if _sha256(weights, arrays["size"]) != str(arrays["sha256"]):
            raise ValueError("the reader's weights are not those that were written")
        net = DigitsNet(size=int(arrays["size"]), **_SHAPE)
        net.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        return cls(net)


def digits_reader() -> Reader:
    """The classifier of 8 x 8 digits that comes along."""
    return Reader(open_digits().net)


@single_threaded()
def train_reader(taught: StackedDigits) -> Reader:
    """A reader of the digits `taught`: a convolutional network by `RECIPE`, seconds on one core.

    Pictures above 14 pixels are read at 14: half of MNIST's side, a quarter of the work.
    """
    # of the smaller side, even: the network halves it
    size = min(14, min(taught.shape[1:]) // 2 * 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = DigitsNet(size=size, **_SHAPE)
    x = resized(taught.images[:, None].float() / 255, (size, size))
    rng = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=_RATE)
    each = math.ceil(len(x) / _BATCH)
    epochs = max(_EPOCHS, math.ceil(_STEPS / each))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * each)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=rng).split(_BATCH):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(net(x[rows])[1], taught.labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return Reader(net)


def _sha256(weights: dict[str, np.ndarray], size: np.ndarray) -> str:
    sha = hashlib.sha256(str(int(size)).encode())
    for name in sorted(weights):
        sha.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
    return sha.hexdigest()
