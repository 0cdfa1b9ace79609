"""The scores of a row as columns: title, row key, how to print it, and which way is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from genbench.report.groups import Group


class Column(NamedTuple):
    """digits after the point of `factor` times the value; better: "higher", "lower" or ""."""

    title: str
    key: str
    digits: int
    factor: float
    better: str

    def text(self, value: float | None) -> str:
        """One value, "" for none."""
        return "" if value is None else f"{value * self.factor:.{self.digits}f}"


COLUMNS = (
    Column("modes held", "modes_held", 1, 1.0, "higher"),
    Column("best held", "best_modes_held", 1, 1.0, "higher"),
    Column("quality %", "high_quality", 1, 100.0, "higher"),
    Column("best quality %", "best_high_quality", 1, 100.0, "higher"),
    Column("spread", "spread", 2, 1.0, ""),
    Column("KL", "kl", 3, 1.0, "lower"),
    Column("best KL", "best_kl", 3, 1.0, "lower"),
    Column("recall", "recall", 3, 1.0, "higher"),
    Column("coverage", "coverage", 3, 1.0, "higher"),
    Column("modes", "modes", 1, 1.0, "higher"),
    Column("KL off-mode", "kl_off_mode", 3, 1.0, "lower"),
    Column("different bins", "different_bins", 1, 1.0, "lower"),
    Column("precision", "precision", 3, 1.0, "higher"),
    Column("density", "density", 3, 1.0, ""),
    Column("seconds", "seconds", 0, 1.0, ""),
)


def used_columns(group: Group) -> list[Column]:
    """Those that some row of the group has a value for."""
    return [c for c in COLUMNS if any(row.get(c.key) is not None for row in group.rows)]


def narrowed(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """Places of the columns that fit into `room` characters, two blanks between; order is kept.

    Modes held come first, final and best, then the ranking's other scores, then the rest.
    """
    wanted = ("modes_held", "best_modes_held", "high_quality", "kl", "spread")
    order = sorted(
        range(len(columns)),
        key=lambda i: (wanted.index(key) if (key := columns[i].key) in wanted else len(wanted), i),
    )
    taken, left = [], room
    for place in order:
        if (left := left - widths[place] - 2) < 0:
            break
        taken.append(place)
    return sorted(taken)
