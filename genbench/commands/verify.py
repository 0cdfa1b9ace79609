"""`genbench verify`: each system against its own bars."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    command = commands.add_parser("verify", help="each system against its own bars")
    command.add_argument("names", nargs="*", metavar="NAME", help="default: all that have bars")
    command.add_argument("--out", default="runs/verify", metavar="DIR", help="default: %(default)s")
    command.add_argument(
        "--quick", action="store_true", help="a tenth of the steps; bars only ask for numbers"
    )
    command.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")
    command.add_argument("--device", default="cpu", metavar="cpu|cuda", help="default: cpu")
    command.set_defaults(command=run, goes_on="with the systems' names that have no rows yet")


def run(arguments: argparse.Namespace) -> int:
    from genbench.report.stages import stages_for_terminal
    from genbench.studies.verify import verify

    a = arguments
    verified = verify(
        a.names,
        out=a.out,
        quick=a.quick,
        seeds=a.seeds,
        device=a.device,
        progress=stages_for_terminal(),
    )
    print(verified.table, end="")
    return 0 if verified.passed else 1
