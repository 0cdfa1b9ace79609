"""Rows -> one table for each data set and protocol: means and intervals beside the floor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from genbench.report.statistics import format_interval, mean_interval

Row = dict[str, Any]

# column title, row key, digits, factor
COLUMNS = (
    ("modes", "modes", 1, 1.0),
    ("modes held", "modes_held", 1, 1.0),
    ("best held", "best_modes_held", 1, 1.0),
    ("quality %", "high_quality", 1, 100.0),
    ("KL", "kl", 3, 1.0),
    ("KL off-mode", "kl_off_mode", 3, 1.0),
    ("recall", "recall", 3, 1.0),
    ("coverage", "coverage", 3, 1.0),
    ("seconds", "seconds", 0, 1.0),
)
_COMPARABLE = (
    *("data", "data_digest", "protocol", "steps", "samples", "batch_size"),
    *("device", "dtype", "backend", "code", "torch", "config"),
)


@dataclass(frozen=True)
class Group:
    """Rows that may stand in one column: the same data, protocol, budget, constants and code."""

    slug: str  # for file names
    title: str
    rows: Sequence[Row]
    losses: Sequence[str] = field(default_factory=tuple)  # best first

    def of(self, loss: str) -> list[Row]:
        """The rows of one loss, by seed."""
        return sorted((r for r in self.rows if r["loss"] == loss), key=lambda row: row["seed"])


def group_rows(rows: Sequence[Row]) -> list[Group]:
    """Split rows so that different protocols, budgets or code versions never share a column."""
    found: dict[str, list[Row]] = {}
    for row in _tell_apart(rows):
        found.setdefault(repr(_comparable(row)), []).append(row)
    named: dict[str, list[list[Row]]] = {}
    for members in found.values():
        first = members[0]
        name = f"{first['data']}-{first['protocol']}-{first['steps']}"
        # a row must not choose a folder, nor a name that is too long for one
        slug = re.sub(r"[^\w.+-]+", "_", name).lstrip(".")[-80:]
        named.setdefault(slug, []).append(members)
    return [
        Group(f"{slug}-{number}" if number > 1 else slug, _title(members, alike), members,
              _ranking(members))
        for slug, alike in named.items()
        for number, members in enumerate(alike, 1)
    ]  # fmt: skip


def _comparable(row: Row) -> dict[str, Any]:
    specification = row.get("specification") or {}
    own = specification.get("identity") or {}
    networks = {name: own.get(name) for name in ("generator", "critic")}
    return {name: specification.get(name, row.get(name)) for name in _COMPARABLE} | networks


def _title(members: Sequence[Row], alike: Sequence[Sequence[Row]]) -> str:
    """Data, protocol and steps; and what tells these rows from others that share those."""
    first = members[0]
    title = f"{first['data']}, protocol {first['protocol']}, {first['steps']} steps"
    mine, others = _comparable(first), [_comparable(rows[0]) for rows in alike]
    differing = [name for name in mine if any(other[name] != mine[name] for other in others)]
    return ", ".join([title, *(f"{name} {mine[name]}" for name in differing)])


def _tell_apart(rows: Sequence[Row]) -> list[Row]:
    """Rows whose loss names its source too, where functions of one name differ."""

    def source(row: Row) -> str:
        return ((row.get("specification") or {}).get("identity") or {}).get("loss") or ""

    sources: dict[str, set[str]] = {}
    for row in rows:
        sources.setdefault(row["loss"], set()).add(source(row))
    return [
        {**row, "loss": f"{row['loss']}@{source(row)[:6]}"}
        if len(sources[row["loss"]]) > 1
        else row
        for row in rows
    ]


def _ranking(rows: Sequence[Row]) -> list[str]:
    """Losses by modes held, then high-quality share, then KL; a diverged seed counts as nothing."""

    def rank(loss: str) -> tuple[float, float, float, str]:
        mine = [row for row in rows if row["loss"] == loss]
        held, quality = (
            sum(row[key] or 0.0 for row in mine) / len(mine)
            for key in ("modes_held", "high_quality")
        )
        return (-held, -quality, mean_interval(row["kl"] for row in mine).mean or 0.0, loss)

    return sorted({row["loss"] for row in rows}, key=rank)


def table_cells(group: Group) -> tuple[list[str], list[list[str]]]:
    """Titles and text cells: a line for each loss, best first, then the perfect sampler."""
    used = [c for c in COLUMNS if any(row.get(c[1]) is not None for row in group.rows)]
    titles = ["loss", "seeds", "all held", *(column[0] for column in used)]
    lines = [_line(loss, group.of(loss), used) for loss in group.losses]
    floor = group.rows[0].get("floor") or {}
    perfect = [f"{floor[key] * factor:.{digits}f}" if floor.get(key) is not None else ""
               for _, key, digits, factor in used]  # fmt: skip
    return titles, [*lines, ["perfect sampler", "", "", *perfect]]


def _line(loss: str, rows: Sequence[Row], used: Sequence[tuple]) -> list[str]:
    total, diverged = len(rows), sum(row["status"] != "ok" for row in rows)
    seeds = f"{total} ({diverged} diverged)" if diverged else str(total)
    whole = sum(row["modes_held"] is not None and row["modes_held"] == row.get("mode_count")
                for row in rows)  # fmt: skip
    cells = [
        format_interval(mean_interval(row.get(key) for row in rows), digits=digits, factor=factor)
        for _, key, digits, factor in used
    ]
    return [loss, seeds, f"{whole}/{total}", *cells]


def verdict(group: Group) -> str:
    """One sentence: who holds every mode in every seed, and who drops some."""
    holds, drops = [], []
    for loss in group.losses:
        rows = group.of(loss)
        missing = sum(row["modes_held"] != row.get("mode_count") for row in rows)
        drops.append(f"{loss} ({missing} of {len(rows)} seeds)") if missing else holds.append(loss)
    return (
        f"Holds every mode in every seed: {', '.join(holds) or 'none'}. "
        f"Drops modes: {', '.join(drops) or 'none'}."
    )


def text_report(groups: Sequence[Group]) -> str:
    """The tables as plain text, columns two spaces apart."""
    return "\n".join(_text_table(group) for group in groups)


def _text_table(group: Group) -> str:
    titles, lines = table_cells(group)
    widths = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]

    def aligned(cells: Sequence[str]) -> str:
        first, *others = [
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join([first, *others]).rstrip()

    rule = "-" * len("  ".join("x" * width for width in widths))
    *losses, perfect = [aligned(line) for line in lines]
    parts = [group.title, rule, aligned(titles), rule, *losses, rule, perfect, rule]
    return "\n".join([*parts, verdict(group), ""])
