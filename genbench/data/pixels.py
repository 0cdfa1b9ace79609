"""Arrays of pictures as 8-bit pictures: which axis is the channel, and what floating values mean.

The rule for floating values looks at the whole set, so that a generator in [-1, 1] and images in
[0, 1] come out alike: any value below 0 means [-1, 1], otherwise [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from genbench.data.rows import Rows
from genbench.errors import InputError

RANGES = {"unit": (0.0, 1.0), "symmetric": (-1.0, 1.0)}  # value_range -> lowest, highest
CHANNELS = (1, 3)
# What rounding can add to an end of a range: x * 0.5 + 0.5 and the like in float32.
_SLACK = 1e-5


class ArrayPictures:
    """Rows (N, H, W), (N, C, H, W) or (N, H, W, C), read as uint8 (n, C, H, W).

    shape: (C, H, W). value_range: "auto", "unit" or "symmetric", of floating values; see the rule.
    """

    def __init__(self, rows: Rows, *, value_range: str) -> None:
        self._rows = rows
        self._layout = _layout(rows)
        self._low, self._high = 0.0, 255.0
        self.conventions = {"layout": self._layout, "values": "8 bit as stored"}
        if rows.dtype.kind == "f":
            self._decide(value_range)
        elif rows.dtype != np.uint8:
            raise rows.origin.fault(
                f"must hold pictures as uint8 or floating, got {rows.dtype}: save them as uint8"
            )
        self.shape = _channels_first(np.broadcast_to(0, rows.shape), self._layout).shape[1:]
        self.tag = f"{rows.dtype} {self._layout} {self._low} {self._high}"

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Pictures [start, stop): uint8 (n, C, H, W)."""
        x = self._rows.read(start, stop)
        if x.dtype != np.uint8:
            # float16 holds no 8-bit level exactly once it is scaled
            x = x.astype(np.promote_types(x.dtype, np.float32), copy=False)
            x -= self._low
            x *= 255.0 / (self._high - self._low)
            np.rint(x, out=x).clip(0, 255, out=x)
            x = x.astype(np.uint8)
        return np.ascontiguousarray(_channels_first(x, self._layout))

    def content(self, start: int, stop: int) -> Iterator[memoryview]:
        """What a digest of pictures [start, stop) is taken of: the values as stored."""
        return (piece.data.cast("B") for piece in self._rows.pieces(start, stop))

    def _decide(self, value_range: str) -> None:
        low, high = _extremes(self._rows)
        name = value_range
        if value_range == "auto":
            name = "symmetric" if low < -_SLACK else "unit"
        self._low, self._high = RANGES[name]
        span = f"[{self._low:g}, {self._high:g}]"
        if low < self._low - _SLACK or high > self._high + _SLACK:
            asked = f" as --value-range {name} says" if value_range != "auto" else ""
            raise self._rows.origin.fault(
                f"must hold values in {span}{asked}, got {low:.6g} to {high:.6g}: rescale them, or "
                "save uint8; --value-range unit or symmetric says which range is meant"
            )
        why = "as told" if value_range != "auto" else f"found {low:.6g} to {high:.6g}"
        self.conventions["values"] = f"floating in {span} -> 8 bit ({why})"
        if value_range == "auto" and name == "unit":
            self.conventions["values note"] = (
                "no value below 0, so [0, 1]; --value-range symmetric if [-1, 1] is meant"
            )


def _layout(rows: Rows) -> str:
    """NHW, NCHW or NHWC; raises InputError where the channel axis is not certain."""
    shape, fault = rows.shape, rows.origin.fault
    accepted = "(N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 channels"
    if len(shape) == 3:
        if shape[2] in (1, 3, 4) and shape[1] != shape[2]:
            raise fault(f"must be {accepted}, got {shape}: one picture? add an axis of samples")
        return "NHW"
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first and last:
        raise fault(f"must be {accepted}, got {shape}: either axis could be the channels")
    if not (first or last):
        alpha = ": drop the alpha channel first" if 4 in (shape[1], shape[3]) else ""
        raise fault(f"must be {accepted}, got {shape}{alpha}")
    return "NCHW" if first else "NHWC"


def _channels_first(x: np.ndarray, layout: str) -> np.ndarray:
    """(n, ...) of a layout as a view (n, C, H, W)."""
    if layout == "NHW":
        return x[:, None]
    return x.transpose(0, 3, 1, 2) if layout == "NHWC" else x


def _extremes(rows: Rows) -> tuple[float, float]:
    """Smallest and largest value; raises InputError for NaN and infinity, naming the sample."""
    low, high, start = np.inf, -np.inf, 0
    for piece in rows.pieces(0, len(rows)):
        x = piece.reshape(len(piece), -1)
        smallest, largest = x.min(axis=1), x.max(axis=1)  # NaN wins in both
        bad = ~(np.isfinite(smallest) & np.isfinite(largest))
        if bad.any():
            sample = start + int(bad.argmax())
            raise rows.origin.fault(
                f"must be finite, got NaN or infinity, first in sample {sample}"
            )
        low, high = min(low, float(smallest.min())), max(high, float(largest.max()))
        start += len(piece)
    return low, high


def check_range(value_range: str, *, argument: str) -> None:
    """Raise InputError for a value_range that is none."""
    if value_range not in ("auto", *RANGES):
        raise InputError(
            f"value_range: must be auto, unit or symmetric, got {value_range!r} for {argument}"
        )
