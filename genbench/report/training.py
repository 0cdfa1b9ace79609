"""Pictures of one run: curves of its log, and its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genbench.report.gallery import is_image, mosaic
from genbench.report.pictures import new_figure, png

SIDE = 48  # pixels: pictures of half that side and less are shown larger


def samples_png(x: np.ndarray, truth: np.ndarray | None = None) -> bytes | None:
    """A PNG of samples (N, 1 or 3, H, W) in [-1, 1] as a mosaic, or of points (N, 2) beside some
    of the data's; None for samples of another shape."""
    if is_image(x):
        zoom = max(1, SIDE // max(x.shape[-2:]))
        return mosaic(x.repeat(zoom, axis=-2).repeat(zoom, axis=-1), -1.0, 1.0)
    if x.ndim != 2 or x.shape[1] != 2:
        return None
    figure = new_figure(1, 1, panel=(5, 5))
    axis = figure.subplots()
    if truth is not None:
        axis.scatter(*truth.T, s=2, c="#d33", alpha=0.35, linewidths=0, label="data")
    axis.scatter(*x.T, s=4, c="#16c", alpha=0.6, linewidths=0, label="samples")
    axis.legend(fontsize=8, loc="upper right")
    axis.set(aspect="equal")
    return png(figure)


def curves_png(log: Sequence[Mapping[str, Any]]) -> bytes | None:
    """A panel for each term of a log, by step; None for a log without terms."""
    names = list(dict.fromkeys(name for line in log for name in line if name != "step"))
    if not names:
        return None
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(columns, rows, panel=(4.2, 2.8))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, name in zip(axes, names, strict=False):
        points = [(line["step"], line[name]) for line in log if name in line]
        steps, values = zip(*points, strict=True)
        few = len(points) < 30
        axis.plot(steps, values, "o-" if few else "-", markersize=3, linewidth=1, color="#16c")
        axis.set_title(name, fontsize=9, parse_math=False)
        axis.grid(alpha=0.25)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    return png(figure)
