"""`genbench evaluate`: judge samples."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    command = commands.add_parser("evaluate", help="how good generated samples are")
    what = "folder of images, .npy, .npz, .safetensors or IDX file"
    command.add_argument("--real", required=True, metavar="A", help=what)
    command.add_argument("--fake", required=True, metavar="B", help="the same")
    command.add_argument(
        "--metrics", nargs="+", metavar="NAME", help="see genbench metrics; default: fid kid prdc"
    )
    command.add_argument(
        "--features", metavar="NAME", help="inception (default), digits, raw or a file of yours"
    )
    command.add_argument("--weights", metavar="PATH", help="of the extractor: a file or folder")
    command.add_argument("--trust", action="store_true", help="run a TorchScript --features file")
    command.add_argument(
        "--modes", metavar="NAME", help="a mixture's name or FILE.npz: means, sigma"
    )
    command.add_argument("--k", type=int, metavar="N", help="neighbours; default: each metric's")
    command.add_argument("--interval", action="store_true", help="a 95 %% interval for every score")
    command.add_argument(
        "--drop-non-finite", action="store_true", help="leave out rows with NaN or infinity"
    )
    command.add_argument("--size", type=int, metavar="N", help="resize images to N x N")
    command.add_argument(
        "--value-range", default="auto", metavar="R", help="of floating images: unit or symmetric"
    )
    command.add_argument("--batch-size", type=int, default=64, metavar="N", help="default: 64")
    command.add_argument("--device", default="cpu", metavar="cpu|cuda", help="default: cpu")
    command.add_argument("--cache", metavar="DIR", help="default: $GENBENCH_CACHE, ~/.cache/...")
    command.add_argument("--json", action="store_true", help="the row as one JSON object")
    command.add_argument("--out", metavar="FILE", help="gets the row too, as JSON")
    command.set_defaults(command=run, goes_on="from the cache")


def run(arguments: argparse.Namespace) -> int:
    from genbench.report.scores import scores_text
    from genbench.report.stages import stages_for_terminal
    from genbench.studies.evaluation.run import LEVEL, evaluate, write_row

    options = {
        name: getattr(arguments, name)
        for name in (
            *("real", "fake", "metrics", "features", "weights", "trust", "modes", "k", "size"),
            *("drop_non_finite", "value_range", "batch_size", "device", "cache"),
        )
    }
    level = LEVEL if arguments.interval else None
    row = evaluate(**options, level=level, progress=stages_for_terminal())
    width = max(40, shutil.get_terminal_size(fallback=(100, 24)).columns)
    print(json.dumps(row, allow_nan=False) if arguments.json else scores_text(row, width=width))
    if arguments.out is not None:
        write_row(Path(arguments.out), row)
    return 0
