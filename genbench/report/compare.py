"""Which objective is better, and how sure that is: two of them compared over common seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from genbench.report.columns import COLUMNS, Column
from genbench.report.groups import Group
from genbench.report.statistics import Paired, paired

DECIDING = ("modes_held", "high_quality", "kl")  # the ranking's scores, in order
_BY_KEY = {column.key: column for column in COLUMNS}


class Duel(NamedTuple):
    """`first` minus `second` in the score of `column`, over the seeds that both have."""

    first: str
    second: str
    column: Column
    result: Paired

    @property
    def favours_first(self) -> bool:
        """Whether the difference has the sign of a better first one."""
        sign = -1.0 if self.column.better == "lower" else 1.0
        return sign * (self.result.difference or 0.0) > 0

    def sentence(self) -> str:
        """'modes held +1.3 (95 %: 0.2 to 2.4), paired t p = 0.02, exact p = 0.03, 6 seeds'."""
        unit = " points" if self.column.factor == 100.0 else ""
        title = self.column.title.removesuffix(" %")
        r = self.result
        if r.difference is None:
            return f"{title}: no seed in common"
        parts = [f"{title} {self.number(r.difference):s}{unit}"]
        if r.half_width:  # equal differences give it no width, and no say
            low, high = r.difference - r.half_width, r.difference + r.half_width
            parts[0] += f" (95 %: {self.number(low)} to {self.number(high)})"
        if r.t_p is not None:
            parts.append(f"paired t p {p_text(r.t_p)}")
        if r.p is not None and r.n > 1:
            parts.append(f"{'exact' if r.exact else 'sign-flip'} p {p_text(r.p)}")
        return f"{', '.join(parts)}, {r.n} seed{'s' if r.n != 1 else ''}"

    def number(self, value: float) -> str:
        """A signed value in the column's unit."""
        # an exact zero has no sign; "-0.0" would be read as a loss
        scaled = round(value * self.column.factor, self.column.digits) + 0.0
        return f"{scaled:+.{self.column.digits}f}" if scaled else f"{scaled:.{self.column.digits}f}"


def p_text(p: float) -> str:
    """'= 0.031', two digits, or the bound below a thousandth."""
    return f"= {p:.2g}" if p >= 0.001 else "< 0.001"


def compare(group: Group, first: str, second: str, key: str) -> Duel:
    """The score `key` of two losses, paired by seed; a diverged seed holds nothing, as it ranks."""
    mine, theirs = (_by_seed(group, loss, key) for loss in (first, second))
    seeds = sorted(mine.keys() & theirs.keys())
    result = paired([mine[s] for s in seeds], [theirs[s] for s in seeds])
    return Duel(first, second, _BY_KEY[key], result)


def _by_seed(group: Group, loss: str, key: str) -> dict[int, float | None]:
    nothing = 0.0 if key in ("modes_held", "high_quality") else None
    return {r["seed"]: nothing if r["status"] != "ok" else r.get(key) for r in group.of(loss)}


def leaders(group: Group) -> Duel | None:
    """The two best, in the first score of the ranking that tells them apart; None for one alone."""
    if len(group.losses) < 2:
        return None
    return _decided(group, *group.losses[:2])


def rivals(group: Group) -> list[str]:
    """Losses that these seeds do not tell apart from the best one."""
    best, *others = group.losses
    return [loss for loss in others if not _decided(group, best, loss).result.settled]


def _decided(group: Group, first: str, second: str) -> Duel:
    duels = [compare(group, first, second, key) for key in DECIDING]
    return next((duel for duel in duels if duel.result.difference), duels[0])


def matrix(group: Group, key: str) -> Sequence[Sequence[Duel | None]]:
    """Every loss (lines) minus every other (columns), in the order of the ranking."""
    return [
        [None if a == b else compare(group, a, b, key) for b in group.losses] for a in group.losses
    ]
