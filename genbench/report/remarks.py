"""What a mean hides: samples too narrow or too good, and runs that did not come to their end."""

from __future__ import annotations

import math

from genbench.report.groups import Group, Row

SPREAD_TOLERANCE = 0.15  # of the standard deviation that a perfect sampler has
STANDARD_ERRORS = 4  # by which a share must pass the floor before chance is ruled out


def spread_is_off(row: Row) -> bool:
    """Whether the samples inside modes are narrower or wider than the data by over 15 %."""
    spread, right = row.get("spread"), (row.get("floor") or {}).get("spread") or 1.0
    return spread is not None and abs(spread / right - 1.0) > SPREAD_TOLERANCE


def quality_is_suspicious(row: Row) -> bool:
    """Whether the high-quality share passes a perfect sampler's by over four standard errors."""
    quality, floor = row.get("high_quality"), (row.get("floor") or {}).get("high_quality")
    count = (row.get("specification") or {}).get("samples") or 10_000
    if quality is None or floor is None:
        return False
    return quality > floor + STANDARD_ERRORS * math.sqrt(max(0.0, floor * (1 - floor)) / count)


def remarks(group: Group, loss: str) -> list[str]:
    """Short sentences on a loss, for people; none where there is nothing to say."""
    rows, said = group.of(loss), faults(group, loss)
    if off := [row["spread"] for row in rows if spread_is_off(row)]:
        between = f"{min(off):.2f}" + (f" to {max(off):.2f}" if len(off) > 1 else "")
        said.append(f"spread {between} in {len(off)} of {len(rows)} seeds, not 1 within 15 %")
    return said


def faults(group: Group, loss: str) -> list[str]:
    """What speaks against a loss's numbers: runs that diverged, quality that cannot be."""
    rows = group.of(loss)
    said = []
    if diverged := group.diverged(loss):
        said.append(f"diverged in {diverged} of {len(rows)} seeds")
    if high := sum(map(quality_is_suspicious, rows)):
        said.append(f"quality above the floor in {high} of {len(rows)} seeds: under-dispersed")
    return said


def diverged_text(row: Row) -> str:
    """'diverged: loss term generator is nan at step 120', as far as the row knows."""
    term, reason = row.get("term"), row.get("reason")
    named = f" (term {term})" if term and str(term) not in str(reason) else ""
    return f"{row['status']}{f': {reason}' if reason else ''}{named}"
