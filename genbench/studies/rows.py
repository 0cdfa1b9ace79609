"""rows.jsonl: all rows of a study's folder, derived from its cells, sorted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genbench import files
from genbench.errors import InputError
from genbench.studies.cells import parse_row, read_row

ROWS = "rows.jsonl"


class Rows:
    """The rows of all cells under `out`, read once; `rows.jsonl` follows every row added."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._lines: dict[str, str] = {}  # by cell key
        self._order: list[tuple[Any, ...]] = []  # sorted; the last entry is the cell's key
        for cell in (out / "cells").glob("*"):
            self._take(cell)
        self._order.sort()
        self._write()

    def __contains__(self, key: str) -> bool:
        return key in self._lines

    def add(self, key: str) -> None:
        """The cell `key` has a row now, or another one: as it is on disk, it counts."""
        self._take(self._out / "cells" / key)
        self._order.sort()  # linear: all but the last entry are in order
        self._write()

    def rows(self) -> list[dict[str, Any]]:
        """The rows in the file's order."""
        return [json.loads(self._lines[place[-1]]) for place in self._order]

    def _take(self, cell: Path) -> None:
        row = read_row(cell)
        if row is None:
            return
        if cell.name in self:
            self._order = [place for place in self._order if place[-1] != cell.name]
        self._lines[cell.name] = json.dumps(row, allow_nan=False) + "\n"
        self._order.append(tuple(row[name] for name in _ORDER))

    def _write(self) -> None:
        files.write_text(self._out / ROWS, "".join(self._lines[place[-1]] for place in self._order))


_ORDER = ("data", "loss", "protocol", "steps", "seed", "key")


def write_rows(out: Path) -> list[dict[str, Any]]:
    """Collect the rows of all cells under `out`, replace `rows.jsonl`, return them."""
    return Rows(out).rows()


def read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The valid rows of a file of rows, and the number of lines that are not.

    Raises InputError when the file is missing or holds no valid row.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"report: cannot read '{path}' ({error.strerror})") from error
    rows = [row for line in lines if line.strip() and (row := parse_row(line)) is not None]
    bad = sum(bool(line.strip()) for line in lines) - len(rows)
    if not rows:
        raise InputError(f"report: '{path}' holds no valid row ({bad} damaged lines)")
    return rows, bad
