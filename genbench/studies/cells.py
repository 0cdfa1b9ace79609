"""Cells: one training run each, identified by what decides its numbers, claimed by a lock."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from genbench import __version__, files
from genbench.errors import InputError
from genbench.ops.backend import build_info
from genbench.studies.tasks.base import SCORES

ROW = "row.json"
_ROOMS = ("ops", "nets", "losses", "models", "metrics", "data", "train", "studies")


@dataclass(frozen=True)
class Cell:
    """spec: JSON values that decide the row (data, loss, seed, steps, constants, code, device).

    parts: where a worker finds the rest: "task" (a file), "loss", "generator", "critic" (references
    to the user's functions, or absent).
    """

    spec: dict[str, Any]
    parts: dict[str, str]

    @cached_property
    def key(self) -> str:
        """Sixteen hexadecimal digits of the specification's SHA-256."""
        return files.sha256(json.dumps(self.spec, sort_keys=True).encode())[:16]

    def folder(self, out: Path) -> Path:
        """Where the cell's checkpoints and its row lie."""
        return out / "cells" / self.key

    @property
    def title(self) -> str:
        """For progress lines."""
        return f"{self.spec['data']} {self.spec['loss']} seed {self.spec['seed']}"


@cache
def code_version(backend: str) -> str:
    """The release and digests of what can change a row: Python sources, kernels if fused."""
    package = Path(__file__).parent.parent
    sources = sorted(path for room in _ROOMS for path in (package / room).rglob("*.py"))
    text = b"".join(path.read_bytes() for path in [*sources, package / "protocol.py"])
    kernels = build_info() if backend == "fused" else None
    digests = [files.sha256(text)[:8], *([kernels["sources"][:8]] if kernels else [])]
    return f"{__version__}+{'.'.join(digests)}"


def derived_seed(seed: int, purpose: str) -> int:
    """An independent 63-bit seed for one purpose of a cell."""
    return int(files.sha256(f"{purpose}:{seed}".encode())[:16], 16) >> 1


def read_row(folder: Path) -> dict[str, Any] | None:
    """The cell's row; None when it is not there or damaged, so that the cell runs again."""
    try:
        row = parse_row((folder / ROW).read_bytes())
    except OSError:
        return None
    return row if row is not None and row.get("key") == folder.name else None


def parse_row(content: bytes) -> dict[str, Any] | None:
    """The row that one line of JSON holds; None where it holds none."""
    try:
        row = json.loads(content, parse_constant=_finite, parse_float=_finite)
        json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair fits into no page
    except (ValueError, RecursionError):
        return None
    return row if is_row(row) else None


def _finite(text: str) -> float:
    """The number; ValueError for NaN, Infinity, and 1e999, which Python reads as infinity."""
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is no finite number")
    return value


def is_row(row: Any) -> bool:
    """Whether `row` has what every table needs, and nothing that a report could stumble over."""
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), kind) for name, kind in _NEEDED.items())
        and all(name in row for name in _SCORES)
        and all(isinstance(row.get(name, kind()), kind) for name, kind in _OPTIONAL.items())
        and all(_is_number(row.get(name)) for name in _NUMBERS)
        and all(map(_is_number, row.get("floor", {}).values()))
        and all(_is_evaluation(scores) for scores in row.get("curve", []))
        and isinstance(row.get("specification", {}).get("identity", {}), dict)
    )


_NEEDED = {"data": str, "loss": str, "model": str, "protocol": str, "status": str} | dict.fromkeys(
    ("seed", "steps"), int
)
_SCORES = ("modes", "modes_held", "high_quality", "kl", "kl_off_mode")
_NUMBERS = (
    *("seed", "steps", "diverged_step"),
    *SCORES,
    *(f"best_{name}" for name in ("step", *SCORES)),
    *("mode_count", "seconds"),
)
_OPTIONAL = {"key": str, "curve": list} | dict.fromkeys(
    ("floor", "specification", "versions", "conventions"), dict
)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and abs(value) <= sys.float_info.max)


def _is_evaluation(scores: Any) -> bool:
    return (
        isinstance(scores, dict)
        and isinstance(scores.get("step"), int)
        and all(map(_is_number, scores.values()))
    )


def write_row(folder: Path, row: dict[str, Any]) -> None:
    """Write the row last: from here on the cell is done."""
    files.write_text(folder / ROW, json.dumps(row, allow_nan=False) + "\n")


MARKER = "study.json"


def open_study(out: Path) -> None:
    """Make `out` a study's folder, or check that it is one.

    Raises InputError when it cannot be written or holds something else.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (out / MARKER).exists():
            check_study(out)
        elif any(not _is_leftover(path) for path in out.iterdir()):
            raise InputError(
                f"out: '{out}' is not empty and not a study's folder; choose another --out"
            )
        files.write_text(out / MARKER, json.dumps({"study": "mode-collapse", "format": 1}) + "\n")
    except OSError as error:
        raise InputError(
            f"out: cannot write '{out}' ({error.strerror}); choose another --out"
        ) from error


def _is_leftover(path: Path) -> bool:
    """What a kill in the middle of writing the marker leaves."""
    return path.name.startswith(f".{MARKER}.") and path.suffix == ".tmp"


def check_study(out: Path) -> None:
    """Raises InputError unless `out` holds a study's marker."""
    try:
        marker = json.loads((out / MARKER).read_bytes())
    except (OSError, ValueError):
        marker = None
    if not isinstance(marker, dict) or marker.get("study") != "mode-collapse":
        raise InputError(
            f"out: '{out}' is not a study's folder (no readable {MARKER} in it); "
            "choose another --out"
        )
