"""What is built, which backend each operation uses and why, how to mend it, and a quick timing."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from genbench import __version__, ops
from genbench.ops.backend import active, backend, build_info, describe, load_error

ELEMENTS = 2**16
REPEATS = 30


def describe_kernels() -> dict[str, Any]:
    """{"genbench", "torch", "build", "active", "operations": [...], "speed": [...]}.

    speed: median microseconds of one call on this machine, reference and fused in turn; fused is
    None without an extension. A first impression: `make bench` measures with spread.
    """
    return {
        "genbench": __version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "build": build_info(),
        "active": active(),
        "error": load_error(),
        "operations": describe(),
        "speed": [_speed(name, call) for name, call in _calls().items()],
    }


def _calls() -> dict[str, Callable[[], Any]]:
    mu = torch.randn(256, ELEMENTS // 256, generator=torch.Generator().manual_seed(0))
    seed = torch.tensor([1])
    return {
        f"normal, {ELEMENTS} elements": lambda: ops.normal(mu.shape, seed=seed),
        f"reparameterize_kl, {ELEMENTS} elements": lambda: ops.reparameterize_kl(mu, mu, seed=seed),
    }


def _speed(name: str, call: Callable[[], Any]) -> dict[str, Any]:
    names = ["reference"] if load_error() else ["reference", "fused"]
    times: dict[str, list[float]] = {kind: [] for kind in names}
    for repeat in range(REPEATS + 3):
        for kind in names:
            with backend(kind):
                started = time.perf_counter()
                call()
                if repeat >= 3:  # the first calls warm up
                    times[kind].append(time.perf_counter() - started)
    medians = {kind: statistics.median(values) * 1e6 for kind, values in times.items()}
    fused = medians.get("fused")
    return {
        "call": name,
        "reference_us": round(medians["reference"], 1),
        "fused_us": None if fused is None else round(fused, 1),
        "ratio": None if fused is None else round(medians["reference"] / fused, 1),
    }


def kernel_text(status: dict[str, Any]) -> str:
    """The same for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console(file=io.StringIO(), width=110, no_color=True, force_terminal=False)
    console.print(
        f"genbench {status['genbench']}, torch {status['torch']}, {status['threads']} threads"
    )
    for name, value in (status["build"] or {}).items():
        console.print(f"  {name}: {value}", highlight=False)
    if status["error"]:
        console.print(f"no extension: {status['error']}", soft_wrap=True)
    table = Table("operation", "backend", "why", "remedy")
    for operation in status["operations"]:
        table.add_row(*(operation[key] or "" for key in ("op", "backend", "why", "remedy")))
    console.print(table)
    speed = Table("call", "reference us", "fused us", "ratio")
    for row in status["speed"]:
        values = (row["reference_us"], row["fused_us"], row["ratio"])
        speed.add_row(row["call"], *("-" if value is None else str(value) for value in values))
    console.print(speed)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip()
