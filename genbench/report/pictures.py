"""PNG pictures of a study: samples over the true modes, scores along training, a heat map."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.report.charts import whisker
from genbench.report.gallery import Samples, is_image, mosaic, value_range
from genbench.report.groups import Group
from genbench.report.plane import Plane, plane_of
from genbench.report.tables import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEEDS_SHOWN = 3
IMAGES_SHOWN = 36  # of one run
_INK, _REAL, _FAKE = "#333333", "#c44e52", "#2c6fbb"


def new_figure(columns: int, rows: int, *, panel: tuple[float, float]) -> Figure:
    """A figure of equal panels, drawn without a display or pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(panel[0] * columns, panel[1] * rows), layout="constrained")


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def samples_picture(group: Group, samples: Samples) -> bytes | None:
    """The last samples of each loss (columns) and seed (lines); None where nothing can be drawn.

    Points stand over circles of three sigma around the true modes, or over the data; images stand
    side by side.
    """
    keys = [row["key"] for row in group.rows if row.get("key")]
    found = {key: x for key in keys if (x := samples.last(key)) is not None}
    if not found:
        return None
    if is_image(first := next(iter(found.values()))):
        low, high = value_range(samples.truth, first)
        return _panels(group, found, lambda axis, x: _draw_images(axis, x, low, high))
    plane = plane_of(samples.truth)
    if plane is None or plane.center.size != first[0].size:
        return None
    return _panels(group, found, lambda axis, x: _draw_points(axis, x, plane))


def _panels(group: Group, found: Mapping[str, np.ndarray], draw: Any) -> bytes:
    lines = min(SEEDS_SHOWN, max(len(group.of(loss)) for loss in group.losses))
    figure = new_figure(len(group.losses), lines, panel=(2.7, 2.9))
    axes = figure.subplots(lines, len(group.losses), squeeze=False)
    for column, loss in enumerate(group.losses):
        for line, axis in enumerate(axes[:, column]):
            rows = group.of(loss)[line : line + 1]
            axis.set(xticks=[], yticks=[], aspect="equal")
            draw(axis, found.get(rows[0].get("key", "")) if rows else None)
            axis.set_title(_panel_title(loss, rows), fontsize=8, color=_INK, parse_math=False)
    title = f"samples (blue) and truth (red): {group.title}"
    figure.suptitle(shortened(title, 120), fontsize=10, parse_math=False)
    return png(figure)


def _draw_images(axis: Any, x: np.ndarray | None, low: float, high: float) -> None:
    from PIL import Image

    if x is not None:
        sheet = Image.open(io.BytesIO(mosaic(x[:IMAGES_SHOWN], low, high)))
        axis.imshow(np.asarray(sheet.convert("RGB")), interpolation="nearest")


def _draw_points(axis: Any, x: np.ndarray | None, plane: Plane) -> None:
    axis.set(xlim=(-plane.reach, plane.reach), ylim=(-plane.reach, plane.reach))
    if plane.points is not None:
        axis.scatter(*plane.points.T, s=1, c=_REAL, alpha=0.4, linewidths=0)
    if x is not None:
        axis.scatter(*plane.project(x).T, s=2, c=_FAKE, alpha=0.5, linewidths=0)
    if plane.means is not None:
        _draw_modes(axis, plane.means, plane.sigma)


def _draw_modes(axis: Any, means: np.ndarray, sigma: float) -> None:
    from matplotlib.collections import EllipseCollection

    width = np.full(len(means), 6 * sigma)
    circles = EllipseCollection(
        width,
        width,
        np.zeros(len(means)),
        units="xy",
        offsets=means,
        offset_transform=axis.transData,
        facecolors="none",
        edgecolors=_REAL,
        linewidths=0.9,
    )
    axis.add_collection(circles)


def _panel_title(loss: str, found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return shortened(loss)
    loss, row = shortened(loss), found[0]
    if row["status"] != "ok":
        return f"{loss}\nseed {row['seed']}: {row['status']}"
    return f"{loss}\nseed {row['seed']}: holds {row['modes_held']} of {row.get('mode_count')}"


def curves(group: Group) -> bytes | None:
    """Modes held and high-quality share along training: mean over seeds and each seed, thin.

    None where no row has such a score.
    """
    keys = [("modes_held", "modes held"), ("high_quality", "high-quality share")]
    keys = [
        (k, t) for k, t in keys if any(p.get(k) is not None for r in group.rows for p in _curve(r))
    ]
    if not keys:
        return None
    figure = new_figure(len(keys), 1, panel=(5.2, 3.4))
    for axis, (key, title) in zip(
        figure.subplots(1, len(keys), squeeze=False)[0], keys, strict=True
    ):
        for number, loss in enumerate(group.losses):
            runs = [_curve(row) for row in group.of(loss)]
            _draw_curves(axis, runs, key, shortened(loss), f"C{number % 10}")
        perfect = (group.rows[0].get("floor") or {}).get(key)
        if perfect is not None:
            axis.axhline(perfect, color=_INK, linestyle=":", linewidth=1, label="perfect sampler")
        axis.set(xlabel="steps", ylabel=title, ylim=(0, None))
        axis.grid(alpha=0.25)
    for text in figure.axes[0].legend(fontsize=7).get_texts():
        text.set_parse_math(False)
    figure.suptitle(shortened(group.title, 120), fontsize=10, parse_math=False)
    return png(figure)


def _curve(row: dict[str, Any]) -> list[dict[str, Any]]:
    return row.get("curve") or []


def _draw_curves(axis: Any, runs: Sequence[list[dict]], key: str, label: str, color: str) -> None:
    steps = sorted({point["step"] for run in runs for point in run})
    values = [{p["step"]: p[key] for p in run if p.get(key) is not None} for run in runs]
    for value in values:
        axis.plot(list(value), list(value.values()), color=color, alpha=0.3, linewidth=0.7)
    means = [[v[step] for v in values if step in v] for step in steps]
    axis.plot(steps, [np.mean(m) if m else np.nan for m in means], color=color, label=f" {label}")
    # the blank: matplotlib leaves names that begin with "_" out of the legend


def heat_map(groups: Sequence[Group], losses: Sequence[str]) -> bytes:
    """Mean share of modes held: a line for each loss, a column for each group."""
    shares = np.full((len(losses), len(groups)), np.nan)
    for column, group in enumerate(groups):
        for loss in group.losses:
            if (mean := whisker(group, loss).mean) is not None:
                shares[losses.index(loss), column] = mean
    figure = new_figure(1, 1, panel=(4.5 + 1.4 * len(groups), 1.5 + 0.45 * len(losses)))
    axis = figure.subplots()
    axis.imshow(shares, vmin=0, vmax=1.6, cmap="Blues", aspect="auto")
    for line, column in np.ndindex(*shares.shape):
        share = shares[line, column]
        text = "-" if np.isnan(share) else f"{share:.0%}"
        axis.text(column, line, text, ha="center", va="center", color=_INK, fontsize=9)
    data = [shortened(str(group.rows[0]["data"]), 16) for group in groups]
    axis.set_xticks(range(len(groups)), data, parse_math=False, fontsize=8)
    names = [shortened(loss) for loss in losses]
    axis.set_yticks(range(len(losses)), names, parse_math=False, fontsize=8)
    figure.suptitle("mean share of modes held", fontsize=10)
    return png(figure)
