"""Bars of systems as a table: what was measured, for each seed, the rule, pass or fail."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

_WHAT, _VALUES, _RULE = 43, 27, 18  # characters


def bars_text(rows: Sequence[dict[str, Any]]) -> str:
    """A block for each system, at most 100 characters wide."""
    names = list(dict.fromkeys(row["system"] for row in rows))
    return "\n".join(_block(name, [r for r in rows if r["system"] == name]) for name in names)


def _block(name: str, rows: Sequence[dict[str, Any]]) -> str:
    missed = sum(not row["passed"] for row in rows)
    seconds = sum(row["seconds"] for row in rows)
    verdict = f"{missed} of {len(rows)} bars missed" if missed else f"{len(rows)} bars reached"
    lines = [f"{name}: {verdict}, {seconds:.0f} s"]
    for row in rows:
        values = ", ".join("nan" if v is None else f"{v:.4g}" for v in row["values"])
        parts = [wrap(row["what"], _WHAT), wrap(values, _VALUES), wrap(row["rule"], _RULE)]
        for i in range(max(map(len, parts))):
            what, value, rule = (part[i] if i < len(part) else "" for part in parts)
            end = ("pass" if row["passed"] else "FAIL") if i == 0 else ""
            line = f"  {what:{_WHAT}}  {value:>{_VALUES}}  {rule:{_RULE}}  {end}"
            lines.append(line.rstrip())
        if row["beside"]:
            beside = ", ".join(f"{key} {value:.4g}" for key, value in row["beside"].items())
            lines += [f"    {text}" for text in wrap(f"beside: {beside}", 96)]
    return "\n".join(lines) + "\n"
