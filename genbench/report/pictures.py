"""PNG pictures of a study: samples over the true modes, and scores along training."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.report.tables import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEEDS_SHOWN = 3
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


def scatter(
    group: Group,
    samples: Mapping[str, np.ndarray],
    *,
    means: np.ndarray | None,
    points: np.ndarray | None,
    sigma: float,
) -> bytes:
    """Samples (N, 2) of each loss (columns) and seed (rows) over the true modes or the data.

    samples: by cell key. means (K, 2) with circles of three sigma, or points (N, 2) of the data.
    """
    rows = min(SEEDS_SHOWN, max(len(group.of(loss)) for loss in group.losses))
    figure = new_figure(len(group.losses), rows, panel=(2.7, 2.9))
    axes = figure.subplots(rows, len(group.losses), squeeze=False)
    truth = means if means is not None else points
    assert truth is not None
    middle, reach = (
        (truth.min(0) + truth.max(0)) / 2,
        np.ptp(truth, axis=0).max() * 0.65 + 3 * sigma,
    )
    for column, loss in enumerate(group.losses):
        for line, axis in enumerate(axes[:, column]):
            found = group.of(loss)[line : line + 1]
            axis.set(xticks=[], yticks=[], aspect="equal")
            axis.set(
                xlim=middle[0] + reach * np.array([-1, 1]),
                ylim=middle[1] + reach * np.array([-1, 1]),
            )
            if points is not None:
                axis.scatter(*points[:2000].T, s=1, c=_REAL, alpha=0.4, linewidths=0)
            if found and (cloud := samples.get(found[0].get("key", ""))) is not None:
                axis.scatter(*cloud[:, :2].T, s=2, c=_FAKE, alpha=0.5, linewidths=0)
            if means is not None:
                _draw_modes(axis, means, sigma)
            axis.set_title(_panel_title(loss, found), fontsize=8, color=_INK, parse_math=False)
    figure.suptitle(f"samples (blue) and truth (red): {group.title}", fontsize=10, parse_math=False)
    return png(figure)


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
        return loss
    row = found[0]
    if row["status"] != "ok":
        return f"{loss}\nseed {row['seed']}: {row['status']}"
    return f"{loss}\nseed {row['seed']}: holds {row['modes_held']} of {row.get('mode_count')}"


def curves(group: Group) -> bytes:
    """Modes held and high-quality share along training: mean over seeds and each seed, thin."""
    keys = [("modes_held", "modes held"), ("high_quality", "high-quality share")]
    keys = [
        (k, t) for k, t in keys if any(p.get(k) is not None for r in group.rows for p in _curve(r))
    ]
    figure = new_figure(len(keys), 1, panel=(5.2, 3.4))
    for axis, (key, title) in zip(
        figure.subplots(1, len(keys), squeeze=False)[0], keys, strict=True
    ):
        for number, loss in enumerate(group.losses):
            _draw_curves(axis, [_curve(row) for row in group.of(loss)], key, loss, f"C{number}")
        perfect = (group.rows[0].get("floor") or {}).get(key)
        if perfect is not None:
            axis.axhline(perfect, color=_INK, linestyle=":", linewidth=1, label="perfect sampler")
        axis.set(xlabel="steps", ylabel=title, ylim=(0, None))
        axis.grid(alpha=0.25)
    for text in figure.axes[0].legend(fontsize=7).get_texts():
        text.set_parse_math(False)
    figure.suptitle(group.title, fontsize=10, parse_math=False)
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
