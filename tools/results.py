"""The tables of docs/results.md: their commands, their rows, the page. `make results` runs it.

    python tools/results.py [NAME ...]      run these studies (default: all) and write what follows
    python tools/results.py --page          write the page again from the committed rows

A study lies in runs/results/NAME, where an interrupted one goes on; its rows are copied to
docs/results/NAME.jsonl, and the lines of docs/results.md between its two marks are replaced.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genbench import files
from genbench.report.columns import COLUMNS
from genbench.report.groups import Group, group_rows
from genbench.report.published import published
from genbench.report.statistics import format_interval
from genbench.report.tables import text_report
from genbench.studies.protocols import EIGHT

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
STUDY = "genbench study mode-collapse"

PAIR = "non_saturating non_saturating+packing2"
TRIO = f"{PAIR} non_saturating+packing4"
GRID = "--data grid25 --seeds 3 --losses"
PLAIN = "--backend reference"  # no C++ compiler needed
# name -> the arguments of its studies, which share a folder
TABLES = {
    "quick": [f"--protocol quick --data ring8 grid25 --losses {' '.join(EIGHT)} --seeds 6 {PLAIN}"],
    "packing": [
        f"{GRID} {TRIO} {PLAIN}",
        f"{GRID} {TRIO} --batch 512 {PLAIN}",
        f"{GRID} non_saturating+packing4 --batch 2048 {PLAIN}",
    ],
    "pacgan-ring": [
        f"--protocol pacgan --data ring8-pacgan --losses {PAIR} --seeds 3 --steps 40000"
    ],
    "stacked-digits": [f"--protocol stacked --losses {PAIR} --seeds 3 {PLAIN}"],
}


def main(arguments: Sequence[str]) -> int:
    names = [name for name in arguments if name != "--page"] or list(TABLES)
    for name in names:
        if name not in TABLES:
            print(f"unknown table '{name}', there are {', '.join(TABLES)}", file=sys.stderr)
            return 2
    if "--page" not in arguments:
        for name in names:
            code = run(name)
            if code:
                return code
    files.write_text(PAGE, page(PAGE.read_text()))
    return 0


def run(name: str) -> int:
    """Runs the studies of a table and keeps their rows; the exit code of the first that fails."""
    out = ROOT / "runs" / "results" / name
    for arguments in TABLES[name]:
        command = [sys.executable, "-m", *f"{STUDY} {arguments}".split(), "--out", str(out)]
        print(f"{STUDY} {arguments}", flush=True)
        if code := subprocess.run(command, cwd=ROOT).returncode:
            return code
    files.write_bytes(kept(name), (out / "rows.jsonl").read_bytes())
    return 0


def kept(name: str) -> Path:
    """Where the rows of a table are committed."""
    return ROOT / "docs" / "results" / f"{name}.jsonl"


def rows_of(name: str) -> list[dict[str, Any]]:
    """The committed rows of a table."""
    return [json.loads(line) for line in kept(name).read_text().splitlines()]


def page(text: str) -> str:
    """docs/results.md with the blocks of all tables that have rows written anew."""
    for name in TABLES:
        if kept(name).exists():
            begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
            before, rest = text.split(begin)
            text = f"{before}{begin}{block(name)}{rest[rest.index(end) :]}"
    return text


def block(name: str) -> str:
    """Commands, cost and tables of the committed rows."""
    rows = rows_of(name)
    commands = "\n".join(f"{STUDY} {arguments}" for arguments in TABLES[name])
    minutes = sum(row["seconds"] for row in rows) / 60
    versions = rows[0]["versions"]
    about = (
        f"{len(rows)} [rows](results/{name}.jsonl), {minutes:.0f} minutes of one core together; "
        f"torch {versions['torch']}, {rows[0]['device']}."
    )
    groups = group_rows(rows)
    tables = text_report(groups).rstrip()
    beside = "".join(map(against_published, groups))
    return f"```\n{commands}\n```\n\n{about}\n\n```\n{tables}\n```\n{beside}"


def against_published(group: Group) -> str:
    """A table of ours and a paper's values, where protocol, data and objective are the paper's."""
    lines = [line for line in published(group) if line.differences]
    if not lines:
        return ""
    table = [
        "",
        "| published | score | theirs | ours | difference |",
        "| --- | --- | --: | --: | --: |",
    ]
    for line in lines:
        for column in [column for column in COLUMNS if column.key in line.differences]:
            mine = group.interval(str(line.loss), column.key)
            ours = format_interval(mine, digits=column.digits, factor=column.factor)
            cells = f"{line.method}, {line.source}", column.title, line.values[column.key], ours
            table.append(f"| {' | '.join(cells)} | {line.differences[column.key]} |")
    notes = dict.fromkeys(note for line in lines for note in line.notes)
    return "\n".join([*table, "", f"Published values: {'; '.join(notes)}."]) + "\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
