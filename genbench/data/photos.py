"""Crops of the two photographs inside scikit-learn, 427 x 640: a temple and, held out, a flower."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genbench.data.datasets import Dataset, check_drawn_size
from genbench.data.splits import Split
from genbench.ops import uniform

_FILES = {"train": "china.jpg", "test": "flower.jpg"}
_SIDES = (8, 427)  # pixels


@dataclass(frozen=True)
class Crops:
    """Random crops of a picture (C, H, W) uint8, `size` pixels a side, each as likely as any."""

    picture: Tensor
    size: int

    def draw(self, n: int, seed: Tensor) -> Split:
        """n crops (n, C, size, size), the same on every device."""
        u = uniform((2, n), seed=seed, dtype=torch.float64)
        height, width = self.picture.shape[1:]
        top = (u[0] * (height - self.size + 1)).long()
        left = (u[1] * (width - self.size + 1)).long()
        steps = torch.arange(self.size, device=top.device)
        rows, columns = top[:, None] + steps, left[:, None] + steps  # (n, size)
        found = self.picture[:, rows[:, :, None], columns[:, None, :]]  # (C, n, size, size)
        return Split(found.transpose(0, 1).contiguous(), levels=256)

    def to(self, device: torch.device | str) -> Crops:
        """The same, for seeds on another device."""
        return Crops(self.picture.to(device), self.size)


def photographs() -> dict[str, Tensor]:
    """ "train" and "test", each (3, 427, 640) uint8."""
    from sklearn.datasets import load_sample_image

    return {
        part: torch.from_numpy(np.array(load_sample_image(file))).permute(2, 0, 1).contiguous()
        for part, file in _FILES.items()
    }


def photos(*, size: int = 32) -> Dataset:
    """Random crops (3, size, size) of one photograph, batch by batch; tiles of the other held out.

    The training rows that stay the same are the first photograph's tiles. Raises InputError for a
    size outside 8 .. 427.
    """
    check_drawn_size(size, *_SIDES, name="photos")
    found = photographs()
    train, test = (Split(_tiles(found[part], size), levels=256) for part in ("train", "test"))
    return Dataset("photos", train, test, fresh=Crops(found["train"], size))


def _tiles(picture: Tensor, size: int) -> Tensor:
    """Every whole tile, side by side from the upper left corner: (n, C, size, size)."""
    cut = picture.unfold(1, size, size).unfold(2, size, size)  # (C, rows, columns, size, size)
    return cut.permute(1, 2, 0, 3, 4).reshape(-1, picture.shape[0], size, size)
