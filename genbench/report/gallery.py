"""Samples along training for the page: quantised points or small mosaics, within a budget of bytes.

Points become int16 pairs in base64 (two thirds of a percent of a pixel), images PNG mosaics.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genbench.report.groups import Group, Row
from genbench.report.plane import plane_of

BUDGET = 4_500_000  # characters of base64 in one page
_POINTS, _FEWEST_POINTS = 512, 128
_IMAGES, _FEWEST_IMAGES = 64, 16
_FRAMES = 8  # rather fewer seeds than fewer frames


@dataclass(frozen=True)
class Samples:
    """What a folder still holds of a group's samples.

    truth: the task's arrays. steps: by cell key, ascending. load: the samples (N, *data_shape) of
    a cell at a step, in the data's units; None where they are gone or damaged. last: those of its
    end, of which there may be more.
    """

    truth: Mapping[str, np.ndarray]
    steps: Mapping[str, Sequence[int]]
    load: Callable[[str, int], np.ndarray | None]
    last: Callable[[str], np.ndarray | None]


@dataclass(frozen=True)
class _Plan:
    """Which frames, and how many samples of each, fit into the budget."""

    rows: Sequence[Row]
    frames: int
    samples: int


def gallery(group: Group, samples: Samples, *, budget: int = BUDGET) -> dict[str, Any] | None:
    """JSON-ready frames of a group; None where nothing can be drawn."""
    rows = [row for row in group.rows if samples.steps.get(row.get("key", ""))]
    first = next((x for row in rows if (x := _last(samples, row)) is not None), None)
    if first is None:
        return None
    images = is_image(first)
    plane = None if images else plane_of(samples.truth)
    if not images and plane is None:
        return None
    if images:
        low, high = value_range(samples.truth, first)

        def encode(x: np.ndarray, n: int) -> str:
            return base64.b64encode(mosaic(x[:n], low, high)).decode()

        plan = _plan(rows, samples, budget, (_IMAGES, _FEWEST_IMAGES), len(encode(first, 16)) / 16)
    else:
        assert plane is not None

        def encode(x: np.ndarray, n: int) -> str:
            return base64.b64encode(plane.quantise(plane.project(x[:n])).tobytes()).decode()

        plan = _plan(rows, samples, budget, (_POINTS, _FEWEST_POINTS), 16 / 3)
    cells = [_cell(group, row, samples, plan, encode) for row in plan.rows]
    shown = {"kind": "images" if images else "points", "cells": [c for c in cells if c["frames"]]}
    if plane is not None:
        truth = plane.means if plane.means is not None else plane.points
        assert truth is not None
        shown |= {
            "truth": base64.b64encode(plane.quantise(truth).tobytes()).decode(),
            "radius": 3 * plane.sigma / plane.reach if plane.means is not None else 0,
            "projected": len(plane.center) > 2,
        }
    return shown if shown["cells"] else None


def _last(samples: Samples, row: Row) -> np.ndarray | None:
    return samples.load(row["key"], samples.steps[row["key"]][-1])


def _plan(
    rows: Sequence[Row],
    samples: Samples,
    budget: int,
    bounds: tuple[int, int],
    per_sample: float,
) -> _Plan:
    """Fewer samples first, then fewer frames, then fewer seeds."""
    most, fewest = bounds
    frames = max(len(samples.steps[row["key"]]) for row in rows)
    fitting = budget / (len(rows) * frames * per_sample)
    if fitting < fewest:
        frames = max(min(frames, _FRAMES), int(frames * fitting / fewest))
        fitting = budget / (len(rows) * frames * per_sample)
    if fitting < fewest:
        seeds = sorted({row["seed"] for row in rows})
        kept = set(seeds[: max(1, int(len(seeds) * fitting / fewest))])
        rows = [row for row in rows if row["seed"] in kept]
        fitting = budget / (len(rows) * frames * per_sample)
    return _Plan(rows, frames, max(1, min(most, int(fitting))))


def _cell(
    group: Group,
    row: Row,
    samples: Samples,
    plan: _Plan,
    encode: Callable[[np.ndarray, int], str],
) -> dict[str, Any]:
    held = {point["step"]: point.get("modes_held") for point in row.get("curve") or []}
    found = [
        (step, encode(x, plan.samples))
        for step in _thinned(samples.steps[row["key"]], plan.frames)
        if (x := samples.load(row["key"], step)) is not None
    ]
    return {
        "loss": group.losses.index(row["loss"]),
        "seed": row["seed"],
        "status": row["status"],
        "steps": [step for step, _ in found],
        "held": [held.get(step) for step, _ in found],
        "frames": [content for _, content in found],
    }


def _thinned(steps: Sequence[int], most: int) -> list[int]:
    """At most `most` of the steps, evenly, the first and the last among them."""
    if len(steps) <= most:
        return list(steps)
    places = np.linspace(0, len(steps) - 1, most) if most > 1 else [len(steps) - 1]
    return [steps[round(place)] for place in places]


def is_image(x: np.ndarray) -> bool:
    """Whether `x` is (N, H, W) or (N, C, H, W) of one or three channels."""
    return x.ndim == 3 or (x.ndim == 4 and x.shape[1] in (1, 3))


def value_range(truth: Mapping[str, np.ndarray], x: np.ndarray) -> tuple[float, float]:
    """The data's least and greatest value; that of `x` where the data are not at hand."""
    data = truth.get("x", x)
    return float(np.nanmin(data)), float(np.nanmax(data))


def mosaic(x: np.ndarray, low: float, high: float, *, across: int | None = None) -> bytes:
    """A PNG of images (N, H, W) or (N, C, H, W), low black, 1 px apart, `across` a line; None: as
    many as there are lines."""
    from PIL import Image

    images = x[:, None] if x.ndim == 3 else x
    count, channels, height, width = images.shape
    across = across or math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    scaled = np.nan_to_num((images - low) / max(high - low, 1e-12)) * 255
    sheet = np.zeros((channels, down * (height + 1) - 1, across * (width + 1) - 1), np.uint8)
    for place, one in enumerate(np.clip(np.rint(scaled), 0, 255).astype(np.uint8)):
        y, z = place // across * (height + 1), place % across * (width + 1)
        sheet[:, y : y + height, z : z + width] = one
    content = io.BytesIO()
    picture = Image.fromarray(sheet[0] if channels == 1 else sheet.transpose(1, 2, 0))
    picture.save(content, format="PNG", optimize=True)
    return content.getvalue()
