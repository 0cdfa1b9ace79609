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
from genbench.report.groups import group_rows
from genbench.report.tables import text_report
from genbench.studies.protocols import EIGHT

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
STUDY = "genbench study mode-collapse"

PAIR = "non_saturating non_saturating+packing2"
TRIO = f"{PAIR} non_saturating+packing4"
GRID = "--data grid25 --seeds 3 --losses"
# name -> the arguments of its studies, which share a folder
TABLES = {
    "quick": [f"--protocol quick --data ring8 grid25 --losses {' '.join(EIGHT)} --seeds 6"],
    "packing": [
        f"{GRID} {TRIO}",
        f"{GRID} {TRIO} --batch 512",
        f"{GRID} non_saturating+packing4 --batch 2048",
    ],
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
    tables = text_report(group_rows(rows)).rstrip()
    return f"```\n{commands}\n```\n\n{about}\n\n```\n{tables}\n```\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
