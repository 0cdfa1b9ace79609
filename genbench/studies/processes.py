"""Processes of one thread that work for a study: modules of genbench.studies, fed by pipes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

TRIES = 3  # processes that may die on one piece of work
GRACE = 4.0  # seconds from the end of input to the end of the process, whatever it does


def start_process(module: str, out: Path) -> subprocess.Popen[bytes]:
    """`python -m module out`, which reads its input and answers on its output."""
    log = log_path(out)
    log.parent.mkdir(exist_ok=True)
    with log.open("a") as errors:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(out)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            start_new_session=True,  # Ctrl-C reaches the driver alone, which stops its workers
        )


def close_input(process: subprocess.Popen[bytes]) -> None:
    """Tells a process that nothing follows."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def wait_or_kill(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Waits for the end of a process, and ends it after so long."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def log_path(out: Path) -> Path:
    """Where what they print goes."""
    return out / "logs" / "workers.txt"


def _environment() -> dict[str, str]:
    """One thread each, and the same import path, so that a user's modules are found."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path}
