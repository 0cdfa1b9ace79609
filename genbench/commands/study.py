"""`genbench study`: run a study."""

from __future__ import annotations

import argparse
from typing import Any

from genbench.commands.common import settings, shown


def add(commands: Any) -> None:
    study = commands.add_parser("study", help="run a study")
    studies = study.add_subparsers(required=True, metavar="STUDY")
    command = studies.add_parser("mode-collapse", help="which objective drops modes")
    command.add_argument(
        "--data", nargs="+", metavar="NAME", help="see genbench datasets, or a file of rows"
    )
    command.add_argument("--modes", metavar="FILE", help="of a data file: .npz, means and sigma")
    command.add_argument("--losses", nargs="+", metavar="NAME", help="see genbench losses")
    command.add_argument("--seeds", type=int, default=6, metavar="N", help="default: 6")
    command.add_argument("--steps", type=int, metavar="N", help="default: the protocol's")
    command.add_argument("--batch", type=int, metavar="N", help="default: the protocol's")
    command.add_argument(
        "--set", nargs="+", metavar="KEY=VALUE", help="constants, such as learning_rate=1e-3"
    )
    command.add_argument("--protocol", default="quick", metavar="P", help="default: quick")
    command.add_argument(
        "--out", default="runs/mode-collapse", metavar="DIR", help="default: %(default)s"
    )
    command.add_argument(
        "--device", default="cpu", metavar="cpu|cuda", help="default: cpu; cuda: seeds in one step"
    )
    command.add_argument("--dtype", default="float32", metavar="TYPE", help="float32 or float64")
    command.add_argument(
        "--compile", default="auto", metavar="auto|on|off", help="training steps; default: auto"
    )
    command.add_argument("--backend", metavar="NAME", help="fused or reference operations")
    command.add_argument("--workers", type=int, metavar="N", help="processes; default: one a core")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from genbench.ops.backend import backend
    from genbench.report.progress import for_terminal
    from genbench.studies import mode_collapse

    options = {
        name: getattr(arguments, name)
        for name in ("seeds", "steps", "batch", "protocol", "out", "device", "dtype", "compile")
    }
    options.update(
        {k: getattr(arguments, k) for k in ("data", "modes", "losses") if getattr(arguments, k)}
    )
    options.update(workers=arguments.workers, config=settings(arguments.set or []))
    if arguments.backend is None:
        result = mode_collapse(**options, progress=for_terminal())
    else:
        with backend(arguments.backend):
            result = mode_collapse(**options, progress=for_terminal())
    print(result.table, end="")
    print(f"page: {shown(result.out / 'report.html')}")
    return 0
