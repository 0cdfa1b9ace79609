"""Nanoseconds an element of every variant against size, above the line of a copy: the roof."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

Table = dict[int, dict[str, dict[str, Any]]]

COLUMNS = 4
STYLES = {
    "eager": {"color": "#1f77b4", "marker": "o"},
    "compiled": {"color": "#e08214", "marker": "s"},
    "compiled_fallback": {"color": "#e08214", "marker": "s", "linestyle": ":", "mfc": "white"},
    "reference": {"color": "#999999", "marker": "x"},
    "fused": {"color": "#b2182b", "marker": "D", "linewidth": 2.4, "zorder": 5},
    "diffusers": {"color": "#1b7837", "marker": "^"},
    "torch.distributions": {"color": "#762a83", "marker": "v"},
    "copy": {"color": "black", "linestyle": "--", "linewidth": 1.2},
}
NAMES = {
    "compiled": "torch.compile",
    "compiled_fallback": "torch.compile, torch's generator",
    "reference": "reference formula",
    "copy": "copy of as many bytes (the roof)",
}


def draw(tables: dict[tuple[str, str, str], Table], path: Path) -> None:
    """One panel a float32 table; lower is faster."""
    panels = {key[:2]: table for key, table in tables.items() if key[2] == "float32"}
    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(3.6 * COLUMNS, 2.9 * rows + 0.9), squeeze=False, sharex=True
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    handles: dict[str, Any] = {}
    for place, ((op, direction), table) in enumerate(panels.items()):
        axis = axes.flat[place]
        handles |= panel(axis, table)
        axis.set_title(f"{op}\n{direction}", fontsize=10)
        if place % COLUMNS == 0:
            axis.set_ylabel("ns an element")
        if place + COLUMNS >= len(panels):
            axis.set_xlabel("elements")
            axis.tick_params(labelbottom=True)
    order = [name for name in STYLES if name in handles]
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.75 / figure.get_figheight()))
    labels = [NAMES.get(name, name) for name in order]
    figure.legend(
        [handles[name] for name in order], labels, loc="upper center", ncols=4, frameon=False
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def panel(axis: Axes, table: Table) -> dict[str, Any]:
    """Draws one table; name -> line for the legend."""
    lines = {}
    for name, style in STYLES.items():
        points = [
            (2**size, value) for size, row in sorted(table.items()) if (value := ns(row, name))
        ]
        if points:
            options: dict[str, Any] = {"markersize": 4.5, "linewidth": 1.5} | style
            (lines[name],) = axis.plot(*zip(*points, strict=True), **options)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks([2**size for size in sorted(table)])
    axis.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=12))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axis.tick_params(labelsize=8)
    return lines


def ns(row: dict[str, dict[str, Any]], name: str) -> float | None:
    """Nanoseconds an element; of the copy by its bandwidth."""
    if name == "copy":
        some = next(iter(row.values()))
        return some["bytes"] / some["copy_bandwidth"] / some["elements"]
    return row[name]["ns_per_element"] if name in row else None
