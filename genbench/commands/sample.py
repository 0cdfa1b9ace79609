"""`genbench sample`: draw from a trained model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from genbench.commands.common import shown


def add(commands: Any) -> None:
    command = commands.add_parser("sample", help="draw samples from a trained model")
    command.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="a cell's or a checkpoint's folder"
    )
    command.add_argument("-n", type=int, required=True, metavar="N", help="how many")
    command.add_argument(
        "--out", required=True, metavar="DIR", help="gets samples.npy and a picture"
    )
    command.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from genbench.studies.sampling import sample_checkpoint

    written = sample_checkpoint(
        Path(arguments.checkpoint), n=arguments.n, out=Path(arguments.out), seed=arguments.seed
    )
    for path in written:
        print(shown(path))
    return 0
