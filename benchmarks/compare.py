"""Which rows of a benchmark run became slower than another run of the same machine.

    python benchmarks/compare.py OLD.json NEW.json

A row is a regression where all three hold:
- apart from noise: the new run's 10th percentile lies above the old run's 90th;
- large: the median grew by more than a tenth;
- its own: it grew by more than a tenth over what the other rows of its group grew. They were
  measured in turn with it, so a machine that was busier slows them alike.

Exit 0 without a regression, 1 with one, 2 for files that cannot be compared.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

LARGE = 1.1  # growth of a median that counts
FIGURES = ("p10_us", "median_us", "p90_us")
# Rows of another of these are not comparable.
MACHINE = ("device", "processor", "threads", "instruction_set")

Key = tuple[str, str]  # group, variant
Rows = dict[Key, dict[str, Any]]  # -> extra_info


class BadInput(ValueError):
    """A file that holds no rows, or rows that cannot be compared; one line."""


class Change(NamedTuple):
    """One row in both runs."""

    key: Key
    old: float  # medians, us
    new: float
    ratio: float
    drift: float  # median ratio of the group's other rows, at least 1
    apart: bool  # new p10 above old p90

    @property
    def is_regression(self) -> bool:
        return self.apart and self.ratio > LARGE and self.ratio / self.drift > LARGE


def read_rows(path: Path) -> Rows:
    """The extra_info of each row of a --benchmark-json file.

    Errors: BadInput for what is no such file.
    """
    try:
        rows = json.loads(path.read_text())["benchmarks"]
        found = {(row["group"], row["extra_info"]["variant"]): row["extra_info"] for row in rows}
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} holds no rows of pytest benchmarks/ --benchmark-json") from error
    for (group, variant), row in found.items():
        figures = [row.get(name) for name in FIGURES]
        if not all(isinstance(value, int | float) and value > 0 for value in figures):
            raise BadInput(f"{path}: {group}, {variant} lacks one of {', '.join(FIGURES)} above 0")
    if not found:
        raise BadInput(f"{path} holds no rows")
    return found


def changes(old: Rows, new: Rows) -> list[Change]:
    """Each row in both runs, the most grown first. Errors: BadInput for rows of two machines."""
    common = [key for key in new if key in old]
    if not common:
        raise BadInput("no row is in both files")
    for key in common:
        for name in MACHINE:
            before, now = old[key].get(name), new[key].get(name)
            if before != now:
                raise BadInput(f"{name} differs: {before!r} and {now!r}; run both on one machine")
    ratios = {key: new[key]["median_us"] / old[key]["median_us"] for key in common}
    found = [
        Change(
            key,
            old[key]["median_us"],
            new[key]["median_us"],
            ratios[key],
            drift(key, ratios),
            new[key]["p10_us"] > old[key]["p90_us"],
        )
        for key in common
    ]
    return sorted(found, key=lambda change: -change.ratio)


def drift(key: Key, ratios: dict[Key, float]) -> float:
    """How much the other rows of a group grew; 1 where they shrank or there are none."""
    others = [ratio for other, ratio in ratios.items() if other[0] == key[0] and other != key]
    return max(1.0, statistics.median(others)) if others else 1.0


def table(found: Iterable[Change]) -> list[str]:
    lines = [f"{'ratio':>7} {'others':>7} {'old us':>11} {'new us':>11}  row"]
    for change in found:
        mark = "  REGRESSION" if change.is_regression else ""
        lines.append(
            f"{change.ratio:7.2f} {change.drift:7.2f} {change.old:11.1f} {change.new:11.1f}"
            f"  {', '.join(change.key)}{mark}"
        )
    return lines


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as every other fault."""
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="compare.py", description="Rows that became slower from OLD to NEW.")
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    chosen = parser.parse_args(arguments)
    try:
        old, new = read_rows(chosen.old), read_rows(chosen.new)
        found = changes(old, new)
    except BadInput as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(found)))
    for name, rows in (
        (chosen.old, old.keys() - new.keys()),
        (chosen.new, new.keys() - old.keys()),
    ):
        if rows:
            print(f"{len(rows)} rows only in {name}, such as {', '.join(min(rows))}")
    slower = sum(change.is_regression for change in found)
    print(f"{slower} of {len(found)} rows became slower beyond noise")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
