"""rows.jsonl: all rows of a study's folder, derived from its cells, sorted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genbench import files
from genbench.errors import InputError
from genbench.studies.cells import parse_row, read_row

ROWS = "rows.jsonl"


def write_rows(out: Path) -> list[dict[str, Any]]:
    """Collect the rows of all cells under `out`, replace `rows.jsonl`, return them."""
    rows = [row for cell in (out / "cells").glob("*") if (row := read_row(cell)) is not None]
    rows.sort(
        key=lambda row: (
            row["data"],
            row["loss"],
            row["protocol"],
            row["steps"],
            row["seed"],
            row["key"],
        )
    )
    text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    files.write_text(out / ROWS, text)
    return rows


def read_rows(out: Path) -> tuple[list[dict[str, Any]], int]:
    """The valid rows of `out/rows.jsonl`, and the number of lines that are not.

    Raises InputError when the file is missing or holds no valid row.
    """
    path = out / ROWS
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"report: cannot read '{path}' ({error.strerror})") from error
    rows = [row for line in lines if line.strip() and (row := parse_row(line)) is not None]
    bad = sum(bool(line.strip()) for line in lines) - len(rows)
    if not rows:
        raise InputError(f"report: '{path}' holds no valid row ({bad} damaged lines)")
    return rows, bad
