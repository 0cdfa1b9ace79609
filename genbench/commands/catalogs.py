"""`genbench models | datasets | losses | metrics`: what there is."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from typing import Any

CATALOGS = ("models", "datasets", "losses", "metrics")


def add(commands: Any) -> None:
    for name in CATALOGS:
        command = commands.add_parser(name, help=f"list the {name}")
        command.add_argument("--json", action="store_true", help="a list of objects with a name")
        command.set_defaults(command=run, catalog=name)


def run(arguments: argparse.Namespace) -> int:
    room = {"datasets": "data"}.get(arguments.catalog, arguments.catalog)
    module = import_module(f"genbench.{room}")
    entries = {
        **module.CATALOG,
        **{f"+{k}": e for k, e in getattr(module, "PARTS", {}).items()},
    }
    short: dict[str, list[str]] = {name: [] for name in entries}
    for alias, name in getattr(module, "ALIASES", {}).items():
        short[name].append(alias)
    if arguments.json:
        lines = [{"name": n, "line": e.line, "aliases": short[n]} for n, e in entries.items()]
        print(json.dumps(lines))
        return 0
    width = max(map(len, entries))
    for name, entry in entries.items():
        aliases = f" ({', '.join(short[name])})" if short[name] else ""
        print(f"{name:{width}}  {entry.line}{aliases}")
    return 0
