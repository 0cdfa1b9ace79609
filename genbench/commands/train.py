"""`genbench train`: one model, one data set, one folder."""

from __future__ import annotations

import argparse
from typing import Any

from genbench.commands.common import settings, shown


def add(commands: Any) -> None:
    command = commands.add_parser("train", help="train a model on a data set")
    command.add_argument("model", metavar="MODEL", help="see genbench models")
    command.add_argument("--data", required=True, metavar="D", help="see genbench datasets")
    command.add_argument("--out", required=True, metavar="DIR", help="gets all that the run leaves")
    command.add_argument("--steps", type=int, default=5000, metavar="N", help="default: 5000")
    command.add_argument("--batch", type=int, default=64, metavar="N", help="default: 64")
    command.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    command.add_argument("--size", type=int, metavar="N", help="pixels a side of pictures")
    command.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    command.add_argument("--download", action="store_true", help="fetch data that are not there")
    command.add_argument(
        "--set", nargs="+", metavar="KEY=VALUE", help="any field of the model's Config"
    )
    _add_options(command)
    command.set_defaults(command=run, goes_on="with --resume")


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--evaluations", type=int, default=10, metavar="N", help="pictures and checkpoints; 10"
    )
    command.add_argument("--ema", type=float, metavar="D", help="average weights, such as .999")
    command.add_argument("--clip", type=float, metavar="G", help="largest norm of gradients")
    command.add_argument(
        "--accumulate", type=int, default=1, metavar="N", help="batches an update; default: 1"
    )
    command.add_argument(
        "--warmup", type=int, default=0, metavar="N", help="steps of a rising learning rate"
    )
    command.add_argument("--schedule", metavar="NAME", help="constant, cosine or linear")
    command.add_argument(
        "--precision", default="float32", metavar="TYPE", help="float32, bfloat16 or float16"
    )
    command.add_argument("--compile", action="store_true", help="the whole step as one graph")
    command.add_argument("--graph", action="store_true", help="that as a CUDA graph")
    command.add_argument("--device", default="cpu", metavar="cpu|cuda", help="default: cpu")
    command.add_argument("--backend", metavar="NAME", help="fused or reference operations")
    command.add_argument("--tensorboard", action="store_true", help="write DIR/tensorboard too")


def run(arguments: argparse.Namespace) -> int:
    from contextlib import nullcontext

    from genbench.errors import CellFailed
    from genbench.ops.backend import backend
    from genbench.report.stages import stages_for_terminal
    from genbench.studies.training import train
    from genbench.train.loop import Diverged
    from genbench.train.options import Options

    a = arguments
    options = Options(
        ema=a.ema,
        precision=a.precision,
        clip=a.clip,
        accumulate=a.accumulate,
        warmup=a.warmup,
        schedule=a.schedule,
        compiled=a.compile,
        captured=a.graph,
    )
    same = ("data", "out", "steps", "batch", "seed", "size", "device", "resume", "download")
    try:
        with nullcontext() if a.backend is None else backend(a.backend):
            trained = train(
                a.model,
                **{name: getattr(a, name) for name in (*same, "evaluations", "tensorboard")},
                config=settings(a.set or []),
                options=options,
                progress=stages_for_terminal(),
            )
    except Diverged as error:
        raise CellFailed(f"{error}; what came before is in '{a.out}'") from error
    if not trained.finished:
        raise KeyboardInterrupt
    last = trained.result["last"]
    print(", ".join(f"{name} {value:.4g}" for name, value in last.items()))
    print(f"trained: {shown(trained.out / 'model')}")
    return 0
