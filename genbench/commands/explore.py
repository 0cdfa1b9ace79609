"""`genbench reconstruct | interpolate | ...`: what one does with a trained system."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from genbench.commands.common import shown

LINES = {
    "reconstruct": "held-out rows and their reconstructions",
    "interpolate": "between two rows, along the line of their codes",
    "traverse": "a code moved along its coordinates",
    "manifold": "what a two-dimensional code means",
    "impute": "fill in what is hidden",
    "denoise": "take noise away",
    "latents": "codes on the plane, by t-SNE",
    "nearest": "the training rows whose codes are nearest",
}


def add(commands: Any) -> None:
    for name, line in LINES.items():
        command = commands.add_parser(name, help=line)
        command.add_argument("model", metavar="FOLDER", help="of a run or a trained model")
        command.add_argument("--data", required=True, metavar="D", help="see genbench datasets")
        command.add_argument("--out", required=True, metavar="DIR", help=f"gets {name}.png, .json")
        command.add_argument("--size", type=int, metavar="N", help="pixels a side of pictures")
        command.add_argument("-n", type=int, metavar="N", help="rows, lines or points")
        command.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
        if name == "impute":
            command.add_argument("--hidden", metavar="PART", help="lower (default), square, random")
        if name == "denoise":
            command.add_argument("--noise", type=float, metavar="STD", help="default: 0.5")
        command.set_defaults(command=run, exploration=name)


def run(arguments: argparse.Namespace) -> int:
    from genbench.studies.explore import explore

    given = {name: getattr(arguments, name, None) for name in ("n", "hidden", "noise")}
    out = Path(arguments.out)
    found = explore(
        arguments.exploration,
        arguments.model,
        data=arguments.data,
        out=out,
        size=arguments.size,
        seed=arguments.seed,
        **{name: value for name, value in given.items() if value is not None},
    )
    for name, value in found.items():
        print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    print(shown(out / f"{arguments.exploration}.png"))
    return 0
