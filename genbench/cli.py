"""The command line: argument parsing; every command is one library call.

Exit codes: 0 done; 1 a bar missed or a cell that cannot run; 2 bad usage, bad input, disk or
permission faults, with one line on standard error; 130 after Ctrl-C. Nothing here imports torch
before a command needs it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from genbench import __version__
from genbench.commands import (
    catalogs,
    evaluate,
    explore,
    kernels,
    report,
    sample,
    study,
    train,
    verify,
)
from genbench.errors import CellFailed, InputError


class Parser(argparse.ArgumentParser):
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
    arguments = parser().parse_args(argv)
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


def parser() -> Parser:
    """The whole command line."""
    found = Parser(prog="genbench", description="Benchmarks of deep generative models.")
    found.add_argument("--version", action="version", version=f"genbench {__version__}")
    commands = found.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in (catalogs, study, train, verify, report, sample, explore, evaluate, kernels):
        command.add(commands)
    return found
