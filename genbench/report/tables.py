"""A group's rows as one table: means and intervals of every objective beside the floor."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from genbench.report.columns import Column, narrowed, used_columns
from genbench.report.compare import leaders
from genbench.report.groups import Group
from genbench.report.remarks import faults, spread_is_off
from genbench.report.statistics import format_interval

WIDTH = 100  # characters of a terminal
NAME_WIDTH = 30


def table_cells(group: Group) -> tuple[list[str], list[list[str]]]:
    """Titles and text cells: a line for each loss, best first, then the perfect sampler."""
    used = used_columns(group)
    titles = ["loss", "seeds", "all held", *(column.title for column in used)]
    lines = [_line(group, loss, used) for loss in group.losses]
    perfect = [column.text(group.floor.get(column.key)) for column in used]
    return titles, [*lines, ["perfect sampler", "", "", *perfect]]


def _line(group: Group, loss: str, used: Sequence[Column]) -> list[str]:
    total, diverged = len(group.of(loss)), group.diverged(loss)
    seeds = f"{total} ({diverged} diverged)" if diverged else str(total)
    cells = [
        format_interval(group.interval(loss, c.key), digits=c.digits, factor=c.factor) for c in used
    ]
    return [loss, seeds, f"{group.whole(loss)}/{total}", *cells]


def verdict(group: Group) -> str:
    """One sentence: who holds every mode in every seed, and who drops some."""
    holds, drops = [], []
    for loss in group.losses:
        total = len(group.of(loss))
        missing = total - group.whole(loss)
        drops.append(f"{loss} ({missing} of {total} seeds)") if missing else holds.append(loss)
    return (
        f"Holds every mode in every seed: {', '.join(holds) or 'none'}. "
        f"Drops modes: {', '.join(drops) or 'none'}."
    )


def text_report(groups: Sequence[Group]) -> str:
    """The tables as plain text, at most 100 characters wide where names allow it."""
    return "\n".join(printable(_text_table(group)) for group in groups)


def printable(text: str) -> str:
    """`text` without what moves a terminal's cursor or turns its writing round."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def shortened(name: str, width: int = NAME_WIDTH) -> str:
    """`name`, its middle left out where it is longer than `width`."""
    half = (width - 1) // 2
    return name if len(name) <= width else f"{name[: width - 1 - half]}…{name[-half:]}"


def _text_table(group: Group) -> str:
    titles, lines = table_cells(group)
    lines = [[shortened(line[0]), *line[1:]] for line in lines]
    widths = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]
    used, fixed = used_columns(group), 3
    room = WIDTH - sum(widths[:fixed]) - 2 * (fixed - 1)
    shown = [0, 1, 2, *(fixed + place for place in narrowed(used, widths[fixed:], room))]

    def aligned(cells: Sequence[str]) -> str:
        first, *others = [
            cells[i].rjust(widths[i]) if i else cells[i].ljust(widths[i]) for i in shown
        ]
        return "  ".join([first, *others]).rstrip()

    rule = "-" * (sum(widths[i] for i in shown) + 2 * (len(shown) - 1))
    *losses, perfect = [aligned(line) for line in lines]
    return "\n".join(
        [group.title, rule, aligned(titles), rule, *losses, rule, perfect, rule, *_foot(group), ""]
    )


def _foot(group: Group) -> list[str]:
    said = [(loss, "; ".join(faults(group, loss))) for loss in group.losses]
    lines = [verdict(group), *(f"{shortened(loss)}: {text}." for loss, text in said if text)]
    off = [(loss, sum(map(spread_is_off, group.of(loss)))) for loss in group.losses]
    if told := [f"{shortened(x)} ({n} of {len(group.of(x))} seeds)" for x, n in off if n]:
        lines.append(f"Spread not 1 within 15 %: {', '.join(told)}.")
    if (duel := leaders(group)) is not None:
        sure = "settled" if duel.result.settled else "not settled"
        pair = f"{shortened(duel.first)} minus {shortened(duel.second)}"
        lines.append(f"The two best: {pair}: {duel.sentence()}: {sure}.")
    return [fill(line, WIDTH, subsequent_indent="  ", break_long_words=False) for line in lines]
