"""Arrays that hold features (N, d), or their mean and covariance as pytorch-fid writes them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from genbench.data.rows import Rows

_FLOATING = (np.float16, np.float32, np.float64)
_ROUNDING = 1e-5  # of a covariance taken in float32, relative to its largest entry


class FeatureRows:
    """Rows (N, d) of float16, 32 or 64."""

    def __init__(self, rows: Rows) -> None:
        if rows.dtype not in _FLOATING:
            hint = ""
            if rows.dtype == np.uint8:
                hint = "; pictures are (N, H, W), (N, C, H, W) or (N, H, W, C)"
            raise rows.origin.fault(
                f"must hold features as float16, 32 or 64, got {rows.dtype} {rows.shape}{hint}"
            )
        self._rows = rows
        self.shape = rows.shape[1:]
        self.conventions = {"values": f"{rows.dtype} as stored"}
        self.tag = str(rows.dtype)

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._rows.read(start, stop)

    def content(self, start: int, stop: int) -> Iterator[memoryview]:
        return (piece.data.cast("B") for piece in self._rows.pieces(start, stop))


class MomentsPair:
    """mu (d,) and sigma (d, d), checked; there are no rows to read."""

    def __init__(self, mu: Rows, sigma: Rows) -> None:
        self._arrays = (mu, sigma)
        self.shape = mu.shape
        _check_moments(mu, sigma)
        self.conventions = {"values": f"mu and sigma as stored, {sigma.dtype}"}
        self.tag = f"{mu.dtype} {sigma.dtype}"

    def __len__(self) -> int:
        return 0

    def read(self, start: int, stop: int) -> np.ndarray:
        raise self._arrays[0].origin.fault("holds mu and sigma, no samples")

    def content(self, start: int, stop: int) -> Iterator[memoryview]:
        return (array.whole().data.cast("B") for array in self._arrays)


def _check_moments(mu: Rows, sigma: Rows) -> None:
    fault, width = mu.origin.fault, mu.shape[:1]
    if len(mu.shape) != 1 or mu.shape == (0,) or sigma.shape != width * 2:
        raise fault(f"must hold mu (d,) and sigma (d, d), got {mu.shape} and {sigma.shape}")
    if mu.dtype not in _FLOATING or sigma.dtype not in _FLOATING:
        raise fault(f"must hold mu and sigma as floats, got {mu.dtype} and {sigma.dtype}")
    mean, covariance = mu.whole(), sigma.whole()
    for name, array in {"mu": mean, "sigma": covariance}.items():
        if not np.isfinite(array).all():
            raise fault(f"must be finite, got NaN or infinity in {name}")
    gap = np.abs(covariance - covariance.T).max()
    if gap > _ROUNDING * np.abs(covariance).max():
        raise fault(f"must hold a symmetric sigma, got entries that differ by {gap:.3g}")
