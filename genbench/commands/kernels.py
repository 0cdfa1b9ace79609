"""`genbench kernels`: what is built and used."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add(commands: Any) -> None:
    kernels = commands.add_parser("kernels", help="what is built, what is used, and how to mend it")
    kernels.add_argument("--json", action="store_true", help="the same as one JSON object")
    kernels.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from genbench.studies.kernels import describe_kernels, kernel_text

    status = describe_kernels()
    print(json.dumps(status) if arguments.json else kernel_text(status))
    return 0
