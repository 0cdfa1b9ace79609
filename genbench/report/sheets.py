"""Sheets of rows beside and beneath each other, and points on the plane by their class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genbench.report.gallery import is_image, mosaic
from genbench.report.pictures import new_figure, png
from genbench.report.training import SIDE


def sheet_png(lines: Sequence[np.ndarray]) -> bytes:
    """A PNG with a line for each array: pictures (n, C, H, W) in [-1, 1] side by side, or vectors
    (n, d): points (d = 2) in a panel for each line, others as curves."""
    if all(is_image(line) for line in lines):
        across = max(map(len, lines))
        shape = lines[0].shape[1:]
        zoom = max(1, SIDE // max(shape[-2:]))
        sheet = np.full((len(lines) * across, *shape), -1.0, np.float32)
        for place, line in enumerate(lines):
            sheet[place * across : place * across + len(line)] = line
        large = sheet.repeat(zoom, axis=-2).repeat(zoom, axis=-1)
        return mosaic(large, -1.0, 1.0, across=across)
    figure = new_figure(len(lines), 1, panel=(3.2, 3.2))
    for axis, line in zip(figure.subplots(1, len(lines), squeeze=False)[0], lines, strict=True):
        flat = line.reshape(len(line), -1)
        if flat.shape[1] == 2:
            axis.scatter(flat[:, 0], flat[:, 1], s=6, c=np.arange(len(flat)), cmap="viridis")
            axis.set(aspect="equal")
        else:
            axis.plot(flat.T, linewidth=0.8)
        axis.grid(alpha=0.25)
    return png(figure)


def points_png(x: np.ndarray, labels: np.ndarray | None, classes: Sequence[str]) -> bytes:
    """Points (N, 2), coloured and named by labels 0, 1, ... where there are any."""
    figure = new_figure(1, 1, panel=(6.4, 5.6))
    axis = figure.subplots()
    if labels is None:
        axis.scatter(*x.T, s=6, alpha=0.7, linewidths=0)
    else:
        for label in np.unique(labels):
            mine = x[labels == label]
            name = str(classes[label] if label < len(classes) else label)
            axis.scatter(*mine.T, s=8, color=f"C{label % 10}", label=name, linewidths=0)
            across, up = np.median(mine, 0).tolist()
            axis.text(across, up, name, fontsize=11, weight="bold", parse_math=False)
        texts = axis.legend(fontsize=8, markerscale=2, bbox_to_anchor=(1.02, 1), loc="upper left")
        for text in texts.get_texts():
            text.set_parse_math(False)
    axis.set(xticks=[], yticks=[])
    return png(figure)
