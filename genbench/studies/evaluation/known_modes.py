"""The modes that mode coverage counts: a mixture by name, or a user's own in a file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from genbench.catalog import unknown_name
from genbench.data import MIXTURES
from genbench.data.archives import open_members
from genbench.data.mixtures import Mixture, mixture
from genbench.data.origin import Origin

_LIMIT = 2**26  # bytes unpacked: a million modes of eight dimensions


def open_modes(modes: str | os.PathLike[str]) -> Mixture:
    """The mixture called `modes`, or the one in an .npz file with means (K, d) and sigma.

    Raises InputError, one line that begins with "modes", for an unknown name or an unusable file.
    """
    name = str(modes)
    if name in MIXTURES:
        return mixture(name)
    origin = Origin("modes", Path(modes))
    if origin.path.suffix != ".npz":
        raise unknown_name("modes", name, [*MIXTURES, "or a FILE.npz with means and sigma"])
    members = open_members(origin, ("means", "sigma"))
    if (size := sum(rows.nbytes for rows in members.values())) > _LIMIT:
        raise origin.fault(f"must hold at most {_LIMIT} bytes, got {size}")
    shapes = members["means"].shape, members["sigma"].shape
    if len(shapes[0]) != 2 or 0 in shapes[0] or np.prod(shapes[1]) != 1:
        raise origin.fault(
            f"must hold means (K, d) and one sigma, got shapes {shapes[0]} and {shapes[1]}"
        )
    means, sigma = (members[key].whole() for key in ("means", "sigma"))
    if any(array.dtype.kind not in "fiu" for array in (means, sigma)):
        raise origin.fault(f"must hold real numbers, got {means.dtype} and {sigma.dtype}")
    means, sigma = means.astype(np.float64), float(sigma.item())
    if not np.isfinite(means).all() or not 0 < sigma < np.inf:
        raise origin.fault("must hold finite means and sigma > 0")
    return Mixture(origin.path.stem, torch.from_numpy(means), sigma)
