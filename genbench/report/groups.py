"""Rows that may stand in one column, and the order of their objectives."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from genbench.report.statistics import Interval, mean_interval

Row = dict[str, Any]

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

    @property
    def mode_count(self) -> int | None:
        """How many modes the data has, where the rows say so."""
        return self.rows[0].get("mode_count")

    @property
    def floor(self) -> dict[str, Any]:
        """What a perfect sampler scores, by row key."""
        return self.rows[0].get("floor") or {}

    def specified(self, name: str) -> Any:
        """A field that all rows of the group share, from the specification or the row itself."""
        first = self.rows[0]
        return (first.get("specification") or {}).get(name, first.get(name))

    def interval(self, loss: str, key: str) -> Interval:
        """Mean and 95 % interval of a score over the seeds of a loss that have it.

        One that diverged has no final scores; those of its best evaluation count.
        """
        return mean_interval(row.get(key) for row in self.of(loss))

    def whole(self, loss: str) -> int:
        """In how many seeds the loss holds every mode."""
        return sum(
            row["modes_held"] is not None and row["modes_held"] == row.get("mode_count")
            for row in self.of(loss)
        )

    def diverged(self, loss: str) -> int:
        """In how many seeds the loss did not come to its end."""
        return sum(row["status"] != "ok" for row in self.of(loss))


def group_rows(rows: Sequence[Row]) -> list[Group]:
    """Split rows so that different protocols, budgets or code versions never share a column."""
    found: dict[str, list[Row]] = {}
    for row in _tell_apart(rows):
        found.setdefault(repr(_comparable(row)), []).append(row)
    named: dict[str, list[list[Row]]] = {}
    for members in map(_seeds_once, found.values()):
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
    mine, others = _told(first), [_told(rows[0]) for rows in alike]
    differing = [name for name in mine if any(other.get(name) != mine[name] for other in others)]
    return ", ".join([title, *(f"{name} {mine[name]}" for name in differing)])


def _told(row: Row) -> dict[str, Any]:
    """What a title may name: the comparable fields, and constants one by one."""
    fields = _comparable(row)
    config = fields.pop("config", None)
    own = {name: value for name, value in fields.items() if value is not None}
    return {**(config if isinstance(config, dict) else {}), **own}


def _tell_apart(rows: Sequence[Row]) -> list[Row]:
    """Rows whose loss names its source too, where functions or objectives of one name differ."""

    def source(row: Row) -> str:
        specification = row.get("specification") or {}
        own = (specification.get("identity") or {}).get("loss") or ""
        return own[:6] or str(specification.get("objective") or row["loss"])

    sources: dict[str, set[str]] = {}
    for row in rows:
        sources.setdefault(row["loss"], set()).add(source(row))
    return [
        {**row, "loss": f"{row['loss']}@{source(row)}"} if len(sources[row["loss"]]) > 1 else row
        for row in rows
    ]


def _seeds_once(rows: Sequence[Row]) -> list[Row]:
    """Rows of a group, whose loss says "(eager)" where the same seed was run compiled as well.

    They are one sample of the seed, not two.
    """

    def compiled(row: Row) -> bool:
        return bool((row.get("specification") or {}).get("compiled"))

    seeds = {(row["loss"], row["seed"]) for row in rows if compiled(row)}
    eager = [row for row in rows if not compiled(row)]
    twice = {row["loss"] for row in eager if (row["loss"], row["seed"]) in seeds}
    return [
        {**row, "loss": f"{row['loss']} (eager)"}
        if row["loss"] in twice and not compiled(row)
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
        kl = mean_interval(row["kl"] for row in mine).mean
        return (-held, -quality, math.inf if kl is None else kl, loss)

    return sorted({row["loss"] for row in rows}, key=rank)


def overall(groups: Sequence[Group]) -> list[str]:
    """All losses, by the mean place they take among the groups' rankings."""
    places: dict[str, list[float]] = {}
    for group in groups:
        for place, loss in enumerate(group.losses):
            places.setdefault(loss, []).append(place / len(group.losses))
    return sorted(places, key=lambda loss: (sum(places[loss]) / len(places[loss]), loss))
