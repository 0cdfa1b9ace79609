"""The command line: argument parsing; every command is one library call.

Exit codes: 0 done; 1 a bar missed or a cell that cannot run; 2 bad usage, bad input, disk or
permission faults, with one line on standard error; 130 after Ctrl-C. Nothing here imports torch
before a command needs it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from genbench import __version__
from genbench.errors import CellFailed, InputError

CATALOGS = ("models", "datasets", "losses", "metrics")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # one line, no usage block
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (default: sys.argv) and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an ASCII terminal has no plus-minus sign
    warnings.showwarning = _show_warning
    arguments = _parser().parse_args(argv)
    try:
        code = _run(arguments.command, arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        goes_on = getattr(arguments, "goes_on", "from the checkpoints")
        print(f"interrupted; the same command goes on {goes_on}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output is gone: nothing left to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Turn the faults a user can mend into one line; a defect of ours keeps its traceback."""
    try:
        return command(arguments)
    except InputError as error:
        return _fail(2, error)
    except BrokenPipeError:
        raise
    except OSError as error:
        name = f" '{error.filename}'" if error.filename else ""
        return _fail(2, f"{error.strerror or error}{name}")
    except CellFailed as error:
        return _fail(1, error)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"genbench: {' '.join(str(message).split())}", file=sys.stderr)


def _fail(code: int, message: object) -> int:
    print(f"genbench: {' '.join(str(message).split())}", file=sys.stderr)
    return code


def _parser() -> _Parser:
    parser = _Parser(prog="genbench", description="Benchmarks of deep generative models.")
    parser.add_argument("--version", action="version", version=f"genbench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for name in CATALOGS:
        command = commands.add_parser(name, help=f"list the {name}")
        command.add_argument("--json", action="store_true", help="a list of objects with a name")
        command.set_defaults(command=_list, catalog=name)
    _add_study(commands)
    _add_report(commands)
    _add_sample(commands)
    _add_evaluate(commands)
    kernels = commands.add_parser("kernels", help="what is built, what is used, and how to mend it")
    kernels.add_argument("--json", action="store_true", help="the same as one JSON object")
    kernels.set_defaults(command=_kernels)
    return parser


def _add_study(commands: Any) -> None:
    study = commands.add_parser("study", help="run a study")
    studies = study.add_subparsers(required=True, metavar="STUDY", parser_class=_Parser)
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
    command.set_defaults(command=_study)


def _add_report(commands: Any) -> None:
    command = commands.add_parser("report", help="rewrite a study's page from its rows")
    command.add_argument("source", metavar="DIR|FILE", help="a study's folder, or a file of rows")
    command.add_argument("--out", metavar="DIR", help="gets the page; default: the study's folder")
    command.set_defaults(command=_report)


def _add_sample(commands: Any) -> None:
    command = commands.add_parser("sample", help="draw samples from a trained model")
    command.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="a cell's or a checkpoint's folder"
    )
    command.add_argument("-n", type=int, required=True, metavar="N", help="how many")
    command.add_argument(
        "--out", required=True, metavar="DIR", help="gets samples.npy and a picture"
    )
    command.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    command.set_defaults(command=_sample)


def _add_evaluate(commands: Any) -> None:
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
    command.set_defaults(command=_evaluate, goes_on="from the cache")


def _list(arguments: argparse.Namespace) -> int:
    from importlib import import_module

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


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE by key; a value is JSON where it reads as JSON, else text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise InputError(f"set: must be KEY=VALUE, got '{pair}'")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found


def _study(arguments: argparse.Namespace) -> int:
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
    options.update(workers=arguments.workers, config=_settings(arguments.set or []))
    if arguments.backend is None:
        result = mode_collapse(**options, progress=for_terminal())
    else:
        with backend(arguments.backend):
            result = mode_collapse(**options, progress=for_terminal())
    print(result.table, end="")
    print(f"page: {_shown(result.out / 'report.html')}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from genbench.studies.pages import rewrite_report

    source = Path(arguments.source)
    out = source if arguments.out is None else Path(arguments.out)
    table, bad = rewrite_report(source, None if arguments.out is None else out)
    if bad:
        print(f"left out {bad} damaged lines of rows.jsonl", file=sys.stderr)
    print(table, end="")
    print(f"page: {_shown(out / 'report.html')}")
    return 0


def _sample(arguments: argparse.Namespace) -> int:
    from genbench.studies.sampling import sample_checkpoint

    written = sample_checkpoint(
        Path(arguments.checkpoint), n=arguments.n, out=Path(arguments.out), seed=arguments.seed
    )
    for path in written:
        print(_shown(path))
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
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


def _kernels(arguments: argparse.Namespace) -> int:
    from genbench.studies.kernels import describe_kernels, kernel_text

    status = describe_kernels()
    print(json.dumps(status) if arguments.json else kernel_text(status))
    return 0


def _shown(path: Path) -> str:
    """The path as the user would type it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
