"""Writes a study's pictures, page and table from its rows and the samples its cells kept."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genbench import files
from genbench.errors import InputError
from genbench.report.gallery import BUDGET, Samples, gallery
from genbench.report.groups import Group, group_rows, overall
from genbench.report.page import render_page
from genbench.report.pictures import curves, heat_map, samples_picture
from genbench.report.tables import text_report
from genbench.studies.phases import phase_portraits
from genbench.studies.repeat import command
from genbench.studies.rows import ROWS, read_rows

PAGE = "report.html"


def write_report(
    out: Path,
    rows: Sequence[dict[str, Any]],
    *,
    notes: Sequence[str] = (),
    kept: Path | None = None,
) -> str:
    """Write `report.html` and the PNG pictures of `rows` into `out`; returns the tables as text.

    kept: the study's folder that holds the cells' samples, if it is not `out`.
    """
    groups = group_rows(rows)
    pictures: dict[str, bytes] = {"heatmap.png": heat_map(groups, overall(groups))}
    galleries: dict[str, dict[str, Any]] = {}
    for group in groups:
        samples = _samples(kept or out, group)
        if (picture := samples_picture(group, samples)) is not None:
            pictures[f"samples-{group.slug}.png"] = picture
        if (picture := curves(group)) is not None:
            pictures[f"curves-{group.slug}.png"] = picture
        if (shown := gallery(group, samples, budget=BUDGET // len(groups))) is not None:
            galleries[group.slug] = shown
    page = render_page(
        groups,
        notes=notes,
        galleries=galleries,
        portraits=phase_portraits(groups),
        commands={row["key"]: command(row) for row in rows if row.get("key")},
    )
    for name, content in pictures.items():
        files.write_bytes(out / name, content)
    files.write_text(out / PAGE, page)
    return text_report(groups)


def rewrite_report(source: Path, out: Path | None = None) -> tuple[str, int]:
    """`write_report` from the rows of a study's folder or a .jsonl file.

    out: gets the page; None: the study's folder itself. Returns the tables and the number of
    damaged lines. Raises InputError for a file without `out`, or one that holds no row.
    """
    whole = source.is_dir()
    out = source if out is None and whole else out
    if out is None:
        raise InputError(f"report: '{source}' is a file of rows: its page needs --out DIR")
    rows, bad = read_rows(source / ROWS if whole else source)
    notes = [f"{bad} damaged lines of {ROWS} were left out"] if bad else []
    try:
        return write_report(out, rows, notes=notes, kept=source if whole else source.parent), bad
    except OSError as error:
        raise InputError(f"report: cannot write '{out}' ({error.strerror}); use --out") from error


def _samples(study: Path, group: Group) -> Samples:
    """Where a group's samples lie: the frames of its cells, or else their last samples alone."""
    digest = Path(str(group.specified("data_digest") or "")[:16]).name
    paths: dict[str, dict[int, Path]] = {}
    for row in group.rows:
        # a row must not choose a folder
        if key := Path(str(row.get("key") or "")).name:
            paths[row["key"]] = _frames(study / "cells" / key, row["steps"])
    return Samples(
        truth=_load(study / "data" / f"{digest}.npz") or {},
        steps={key: sorted(found) for key, found in paths.items()},
        load=lambda key, step: _numbers(_load(paths[key][step])),
        last=lambda key: _numbers(_load(study / "cells" / Path(key).name / "samples.npy")),
    )


def _frames(cell: Path, steps: int) -> dict[int, Path]:
    """A cell's sample files by step."""
    kept = (cell / "frames").glob("*.npy")
    found = {int(path.stem): path for path in kept if path.stem.isdecimal()}
    last = cell / "samples.npy"
    return found or ({steps: last} if last.is_file() else {})


def _numbers(content: Any) -> np.ndarray | None:
    """`content` where it is samples (N, ...) in floating point."""
    usable = (
        isinstance(content, np.ndarray)
        and content.ndim >= 2
        and len(content) > 0
        and np.issubdtype(content.dtype, np.floating)
    )
    return content if usable else None


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
