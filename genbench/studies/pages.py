"""Writes a study's pictures, page and table from its rows and the samples its cells kept."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genbench import files
from genbench.report.page import render_page
from genbench.report.pictures import curves, scatter
from genbench.report.tables import Group, group_rows, text_report
from genbench.studies.rows import read_rows

PAGE = "report.html"


def write_report(out: Path, rows: Sequence[dict[str, Any]], *, notes: Sequence[str] = ()) -> str:
    """Write `report.html` and the PNG pictures of `rows` into `out`; returns the tables as text."""
    groups = group_rows(rows)
    pictures: dict[str, bytes] = {}
    for group in groups:
        if (picture := _samples_picture(out, group)) is not None:
            pictures[f"samples-{group.slug}.png"] = picture
        if any(row.get("curve") for row in group.rows):
            pictures[f"curves-{group.slug}.png"] = curves(group)
    for name, content in pictures.items():
        files.write_bytes(out / name, content)
    files.write_text(out / PAGE, render_page(groups, pictures, notes=notes))
    return text_report(groups)


def rewrite_report(out: Path) -> tuple[str, int]:
    """`write_report` from `out/rows.jsonl`; returns the tables and the number of damaged lines."""
    rows, bad = read_rows(out)
    notes = [f"{bad} damaged lines of rows.jsonl were left out"] if bad else []
    return write_report(out, rows, notes=notes), bad


def _samples_picture(out: Path, group: Group) -> bytes | None:
    """The scatter picture; None where samples are gone or not on the plane."""
    digest = str(group.rows[0].get("specification", {}).get("data_digest", ""))[:16]
    truth = _load(out / "data" / f"{Path(digest).name}.npz")
    clouds = {
        row["key"]: _load(out / "cells" / Path(row["key"]).name / "samples.npy")
        for row in group.rows
        if row.get("key")
    }
    samples = {key: cloud for key, cloud in clouds.items() if _on_the_plane(cloud)}
    if truth is None or not samples:
        return None
    means, points = truth.get("means"), truth.get("x")
    if not _on_the_plane(means if means is not None else points):
        return None
    return scatter(group, samples, means=means, points=points, sigma=float(truth.get("sigma", 0.0)))


def _on_the_plane(points: Any) -> bool:
    """Whether `points` are numbers (N, 2)."""
    return (
        isinstance(points, np.ndarray)
        and points.ndim == 2
        and points.shape[1] == 2
        and bool(np.issubdtype(points.dtype, np.floating))
    )


def _load(path: Path) -> Any:
    """An array file's content; None, with a warning, when it is damaged; None when it is absent."""
    try:
        content = np.load(path, allow_pickle=False)
        return dict(content) if path.suffix == ".npz" else content
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        warnings.warn(f"cannot read '{path}' ({error}); its picture is left out", stacklevel=2)
        return None
