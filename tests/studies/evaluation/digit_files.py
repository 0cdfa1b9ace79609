"""Pictures of digits in every form that `genbench evaluate` reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def digits(start: int, stop: int) -> np.ndarray:
    """Pictures [start, stop) of the UCI digits: uint8 (n, 8, 8)."""
    return np.rint(
        load_digits(return_X_y=True)[0][start:stop].reshape(-1, 8, 8) * (255 / 16)
    ).astype(np.uint8)


def save_folder(folder: Path, pictures: np.ndarray) -> Path:
    """One PNG a picture, named so that their order is kept."""
    folder.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:04d}.png")
    return folder


def save_array(path: Path, values: np.ndarray) -> Path:
    """A .npy file."""
    np.save(path, values)
    return path
