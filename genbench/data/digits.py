"""The optical digits of scikit-learn, 8 x 8 pixels of 17 levels. Alpaydin and Kaynak 1998."""

from __future__ import annotations

import numpy as np
import torch

from genbench.data.datasets import Dataset, Split, check_drawn_size, hold_out

LEVELS = 17
_SIDES = (4, 256)  # pixels


def digits(*, size: int = 8) -> Dataset:
    """1,437 digits to train on and 360 held out, (1, size, size), labels 0 .. 9.

    At 8 the 17 levels are the data's own; at other sizes pictures are resized bilinearly to 256
    levels, and have no more detail than before. Raises InputError for a size outside 4 .. 256.
    """
    check_drawn_size(size, *_SIDES, name="digits")
    from sklearn.datasets import load_digits

    ink, labels = load_digits(return_X_y=True)  # (N, 64) of 0 .. 16
    x = torch.from_numpy(np.asarray(ink).astype(np.uint8)).view(-1, 1, 8, 8)
    levels = LEVELS
    if size != 8:
        grey = x.float() * (255 / 16)
        bigger = torch.nn.functional.interpolate(
            grey, (size, size), mode="bilinear", antialias=True
        )
        x, levels = bigger.round().clamp(0, 255).to(torch.uint8), 256
    y = torch.from_numpy(np.asarray(labels)).long()
    return hold_out("digits", Split(x, y, levels=levels), tuple(map(str, range(10))))
