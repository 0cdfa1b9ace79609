"""The modes that mode coverage counts: a mixture by name, or a user's own in a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from torch import Tensor

from genbench.catalog import unknown_name
from genbench.data import CATALOG, mixture
from genbench.errors import InputError
from genbench.metrics.modes import Modes

_LIMIT = 2**26  # bytes unpacked: a million modes of eight dimensions


class KnownModes(NamedTuple):
    """Equally weighted Gaussians: means (K, d) float64, one standard deviation."""

    means: Tensor
    sigma: float


def open_modes(modes: str | os.PathLike[str]) -> Modes:
    """The mixture called `modes`, or the one in an .npz file with means (K, d) and sigma."""
    name = str(modes)
    if name in CATALOG:
        return mixture(name)
    path = Path(modes)
    if path.suffix != ".npz":
        raise unknown_name("modes", name, [*CATALOG, "or a FILE.npz with means and sigma"])
    try:
        with ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _LIMIT:
            raise InputError(f"modes: '{path}' must hold at most {_LIMIT} bytes, got {size}")
        with np.load(path, allow_pickle=False) as arrays:
            means, sigma = (np.asarray(arrays[key], np.float64) for key in ("means", "sigma"))
    except InputError:
        raise
    except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(f"modes: cannot read means and sigma in '{path}': {error}") from error
    if means.ndim != 2 or means.size == 0 or sigma.size != 1:
        raise InputError(
            f"modes: '{path}' must hold means (K, d) and one sigma, got shapes {means.shape} and "
            f"{sigma.shape}"
        )
    if not np.isfinite(means).all() or not 0 < sigma.item() < np.inf:
        raise InputError(f"modes: '{path}' must hold finite means and sigma > 0")
    return KnownModes(torch.from_numpy(means), sigma.item())
