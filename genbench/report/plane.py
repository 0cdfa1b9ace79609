"""Where points are drawn: the plane itself, or the two leading principal directions of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

OUTSIDE = -32768  # a quantised coordinate that the view does not hold
_STEPS = 32000.0  # quantised units from the middle of the view to its edge
_ROWS = 2000


@dataclass(frozen=True)
class Plane:
    """A square view of `reach` to each side of `center` (d,), along `axes` (d, 2).

    means: (K, 2) of the true modes with `sigma`, where they are known; points: (N, 2) of the data.
    """

    center: np.ndarray
    axes: np.ndarray
    reach: float
    means: np.ndarray | None
    points: np.ndarray | None
    sigma: float

    def project(self, x: np.ndarray) -> np.ndarray:
        """(N, ...) -> (N, 2), relative to the center."""
        return (x.reshape(len(x), -1) - self.center) @ self.axes

    def quantise(self, flat: np.ndarray) -> np.ndarray:
        """(N, 2) relative to the center -> int16 (N, 2), 32000 at the edge; OUTSIDE beyond it."""
        with np.errstate(invalid="ignore"):
            inside = (np.abs(flat) <= self.reach).all(axis=1, keepdims=True)
        scaled = np.where(inside, flat, 0.0) * (_STEPS / self.reach)
        return np.where(inside, np.rint(scaled), OUTSIDE).astype("<i2")


def plane_of(truth: Mapping[str, np.ndarray]) -> Plane | None:
    """The view of a task's arrays, `means` (K, d) and `sigma` or `x` (N, ...); None for neither."""
    known = truth.get("means")
    data = known if known is not None else truth.get("x")
    if not _drawable(data):
        return None
    rows = data[:: max(1, len(data) // _ROWS)].reshape(-1, int(np.prod(data.shape[1:])))
    rows = rows.astype(np.float64)
    if rows.shape[1] == 2:
        center, axes = (rows.min(0) + rows.max(0)) / 2, np.eye(2)
    else:
        center = rows.mean(0)
        axes = np.linalg.svd(rows - center, full_matrices=False)[2][:2].T
        if axes.shape[1] < 2:
            return None
    flat = (rows - center) @ axes
    sigma = float(truth.get("sigma", 0.0))
    reach = float(np.abs(flat).max()) * 1.25 + 3 * sigma
    if not (np.isfinite(reach) and reach > 0):
        return None
    shown = (flat, None) if known is not None else (None, flat)
    return Plane(center, axes, reach, *shown, sigma)


def _drawable(data: np.ndarray | None) -> TypeGuard[np.ndarray]:
    return (
        isinstance(data, np.ndarray)
        and data.ndim >= 2
        and len(data) > 0
        and int(np.prod(data.shape[1:])) >= 2
        and bool(np.issubdtype(data.dtype, np.floating))
    )
