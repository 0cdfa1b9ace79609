"""What papers report on the same data, kept apart from our rows; `published.json` holds it."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from genbench.report.columns import COLUMNS, Column
from genbench.report.groups import Group

SCORES = ("modes", "high_quality", "kl")
_COLUMNS = {column.key: column for column in COLUMNS}


class Published(NamedTuple):
    """One published line beside a group: values and differences as text, by score."""

    method: str
    loss: str | None  # our name of it
    source: str  # short
    title: str
    arxiv: str
    protocol: str
    values: dict[str, str]
    differences: dict[str, str]  # ours minus published; empty under another protocol
    notes: list[str]


@cache
def _tables() -> dict[str, Any]:
    text = (resources.files("genbench.report") / "published.json").read_text(encoding="utf-8")
    return json.loads(text)


def published(group: Group) -> list[Published]:
    """Lines on the group's data; with the difference to ours where protocol, data and loss are
    theirs: a ring of another sigma, or other digits, have nothing to be subtracted."""
    data = str(group.rows[0]["data"])
    return [_line(group, entry) for entry in _tables()["entries"] if concerns(entry, data)]


def concerns(entry: dict[str, Any], data: str) -> bool:
    """Whether a published line is on `data` or a variant of it, 'ring8' and 'ring8-pacgan'."""
    return any(data == name or data.startswith(f"{name}-") for name in entry["data"])


def _line(group: Group, entry: dict[str, Any]) -> Published:
    source = _tables()["sources"][entry["source"]]
    first = group.rows[0]
    theirs = entry["protocol"] == first["protocol"] and first["data"] in source["ours"]
    same = theirs and entry["loss"] in group.losses
    notes = ["read from a figure"] if entry["from_figure"] else []
    notes += [entry["note"]] if entry["note"] else []
    if same and entry["steps"] not in (None, first["steps"]):
        notes.append(f"published after {entry['steps']:,} steps, ours {first['steps']:,}")
    if same and "caveat" in source:
        notes.append(source["caveat"])
    values, differences = {}, {}
    for key, (value, error) in entry["scores"].items():
        column = _COLUMNS[key]
        values[key] = _with_error(column, value, error)
        ours = group.interval(entry["loss"], key).mean if same else None
        if ours is not None:
            differences[key] = f"{(ours - value) * column.factor:+.{column.digits}f}"
    return Published(
        entry["method"],
        entry["loss"],
        entry["source"],
        source["title"],
        source["arxiv"],
        entry["protocol"],
        values,
        differences,
        notes,
    )


def _with_error(column: Column, value: float, error: float | None) -> str:
    """'6.3 (0.5)', with the standard error where the paper gives one."""
    return column.text(value) + (f" ({column.text(error)})" if error is not None else "")
