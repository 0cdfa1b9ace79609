"""`genbench report`: a page of rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from genbench.commands.common import shown


def add(commands: Any) -> None:
    command = commands.add_parser("report", help="rewrite a study's page from its rows")
    command.add_argument("source", metavar="DIR|FILE", help="a study's folder, or a file of rows")
    command.add_argument("--out", metavar="DIR", help="gets the page; default: the study's folder")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from genbench.studies.pages import rewrite_report

    source = Path(arguments.source)
    out = source if arguments.out is None else Path(arguments.out)
    table, bad = rewrite_report(source, None if arguments.out is None else out)
    if bad:
        print(f"left out {bad} damaged lines of rows.jsonl", file=sys.stderr)
    print(table, end="")
    print(f"page: {shown(out / 'report.html')}")
    return 0
