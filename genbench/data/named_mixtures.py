"""The mixtures that have names: places of their modes, and where those come from."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from genbench.data.mixtures import Mixture

# Drawn once: uniform in the square of side 8, to two decimals, from torch.Generator seed 25; a
# place closer than 1 = 20 sigma to an earlier one was drawn again.
RANDOM_PLACES = """
-3.89  0.03  -3.50  1.97   3.46 -0.92   2.53 -2.18   0.15  3.93
 1.96 -0.54   2.02  3.47  -0.99  3.16   2.32  2.37  -2.62  3.53
 0.42 -0.67   3.39  2.09  -1.07 -3.77  -1.38 -1.27  -1.12  1.37
-3.64 -1.23   1.30 -2.11  -2.42  2.10  -2.93 -2.73   2.86  0.78
-0.70 -2.23   3.86 -2.81   0.16 -3.40   0.95  1.61  -3.86 -3.29
"""


def ring(*, name: str, radius: float = 1.0, sigma: float = 0.05, over: float = 1.0) -> Mixture:
    """Eight modes on a circle, the endpoint not counted twice; all lengths divided by `over`."""
    angles = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
    places = torch.stack([angles.cos(), angles.sin()], dim=1)
    return Mixture(name, places * (radius / over), sigma / over)


def grid(*, name: str, sigma: float = 0.05, over: float = 1.0) -> Mixture:
    """Twenty-five modes at {-4, -2, 0, 2, 4}^2; all lengths divided by `over`."""
    axis = torch.arange(-4, 5, 2, dtype=torch.float64)
    return Mixture(name, torch.cartesian_prod(axis, axis) / over, sigma / over)


def random(*, name: str, sigma: float = 0.05) -> Mixture:
    """Twenty-five modes at `RANDOM_PLACES`."""
    numbers = [float(number) for number in RANDOM_PLACES.split()]
    return Mixture(name, torch.tensor(numbers, dtype=torch.float64).view(-1, 2), sigma)


def spiral(*, name: str) -> Mixture:
    """Two arms of fifty modes, +-(-n cos n, n sin n) / 3 with n = 3 pi sqrt(u), sigma .1.

    The "2spirals" of FFJORD's toy data (Grathwohl et al. 2018, arXiv 1810.01367), whose u is
    uniform in 0..1, at u = (k + 1/2) / 50; without the uniform jitter of width 1/6 added there.
    """
    n = 3 * math.pi * _midpoints(50).sqrt()
    arm = torch.stack([-n * n.cos(), n * n.sin()], dim=1) / 3
    return Mixture(name, torch.cat([arm, -arm]), 0.1)


def swiss_roll(*, name: str) -> Mixture:
    """A hundred modes on (t cos t, t sin t) / 7.5 with t = 3 pi / 2 (1 + 2 u), sigma .25 / 7.5.

    scikit-learn's make_swiss_roll seen from the side (Marsland, Machine Learning, 2009), whose u is
    uniform in 0..1, at u = (k + 1/2) / 100; noise .25 and the divisor 7.5 are those of Gulrajani et
    al. 2017, arXiv 1704.00028.
    """
    t = 1.5 * math.pi * (1 + 2 * _midpoints(100))
    return Mixture(name, torch.stack([t * t.cos(), t * t.sin()], dim=1) / 7.5, 0.25 / 7.5)


def subspace(*, name: str, modes: int = 10, d: int = 700, width: int = 1200) -> Mixture:
    """Ten Gaussians of 700 dimensions in 1200, sigma 1 (Srivastava et al. 2017, arXiv 1705.07761).

    The paper gives no places. Here mode k lies at 60 times column k of the basis, so that modes are
    85 sigma apart and their balls of high quality, of radius 28.1, do not meet. The basis: the
    first 700 columns of the orthonormal cosine transform, its rows with random signs (seed 1200),
    so that every coordinate takes part in every direction.
    """
    # NumPy's elementwise functions: the same bits whatever the number of threads
    row, column = np.arange(width)[:, None], np.arange(d)[None, :]
    basis = math.sqrt(2 / width) * np.cos(math.pi * (2 * row + 1) * column / (2 * width))
    basis[:, 0] /= math.sqrt(2)
    rng = torch.Generator().manual_seed(1200)
    signs = torch.randint(2, (width, 1), generator=rng, dtype=torch.float64) * 2 - 1
    placed = signs * torch.from_numpy(basis)
    return Mixture(name, 60 * placed[:, :modes].T, 1.0, placed)


def _midpoints(count: int) -> Tensor:
    """(k + 1/2) / count, float64."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count
