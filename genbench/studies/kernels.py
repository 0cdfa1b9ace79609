"""What is built, which backend each operation uses and why, how to mend it, and a quick timing."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from genbench import __version__, ops
from genbench.ops.backend import active, backend, build_info, describe, load_error

ROWS, COLUMNS = 256, 256
REPEATS = 30
SEED = torch.tensor([1])


class Comparison(NamedTuple):
    """The same work by hand, with torch's own noise, and by an operation."""

    eager: Callable[[], Any]
    operation: Callable[[], Any]


def describe_kernels() -> dict[str, Any]:
    """{"genbench", "torch", "threads", "build", "active", "error", "operations", "speed"}.

    build: what the extension was made of, None without one, and error says why. speed: median
    microseconds of one call on ROWS x COLUMNS float32 elements on this machine: by hand with
    torch's own noise (eager), by the reference formula and fused, in turn; fused is None without an
    extension. gradient_penalty is left out: most of it is its critic. A first impression: `make
    bench` measures with spread.
    """
    return {
        "genbench": __version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "build": build_info(),
        "active": active(),
        "error": load_error(),
        "operations": describe(),
        "speed": [_speed(name, calls) for name, calls in _comparisons().items()],
    }


def _comparisons() -> dict[str, Comparison]:
    x, y = torch.randn(2, ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))
    bar, root = 0.5, 0.5**0.5
    return {
        "uniform": Comparison(lambda: torch.rand_like(x), lambda: ops.uniform(x.shape, seed=SEED)),
        "normal": Comparison(lambda: torch.randn_like(x), lambda: ops.normal(x.shape, seed=SEED)),
        "reparameterize_kl": Comparison(
            lambda: _posterior(x, y), lambda: ops.reparameterize_kl(x, y, seed=SEED)
        ),
        "discriminator_bce": Comparison(
            lambda: F.softplus(-x).mean() + F.softplus(y).mean(),
            lambda: ops.discriminator_bce(real=x, fake=y),
        ),
        "generator_bce": Comparison(
            lambda: F.softplus(-y).mean(), lambda: ops.generator_bce(fake=y)
        ),
        "interpolate": Comparison(
            lambda: torch.lerp(y, x, torch.rand(ROWS, 1)),
            lambda: ops.interpolate(real=x, fake=y, seed=SEED),
        ),
        "gradient_norm_penalty": Comparison(
            lambda: (x.norm(dim=1) - 1).square().mean(), lambda: ops.gradient_norm_penalty(x)
        ),
        "ddpm_add_noise": Comparison(
            lambda: root * x + root * torch.randn_like(x),
            lambda: ops.ddpm_add_noise(x, bar, seed=SEED),
        ),
        "ddpm_step": Comparison(
            lambda: (x - 0.02 / root * y) / 0.98**0.5 + 0.1 * torch.randn_like(x),
            lambda: ops.ddpm_step(x, y, alpha=0.98, alpha_bar=bar, sigma=0.1, seed=SEED),
        ),
    }


def _posterior(mu: torch.Tensor, logvar: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    sigma = torch.exp(0.5 * logvar)
    z = mu + sigma * torch.randn_like(sigma)
    return z, -0.5 * torch.sum(1 + logvar - mu.square() - logvar.exp(), dim=1)


def _speed(name: str, calls: Comparison) -> dict[str, Any]:
    names = ["eager", "reference"] + ([] if load_error() else ["fused"])
    times: dict[str, list[float]] = {kind: [] for kind in names}
    for repeat in range(REPEATS + 3):
        for kind in names:
            with backend("reference" if kind == "eager" else kind):
                call = calls.eager if kind == "eager" else calls.operation
                started = time.perf_counter()
                call()
                if repeat >= 3:  # the first calls warm up
                    times[kind].append(time.perf_counter() - started)
    medians = {kind: statistics.median(values) * 1e6 for kind, values in times.items()}
    fused = medians.get("fused")
    return {
        "op": name,
        "eager_us": round(medians["eager"], 1),
        "reference_us": round(medians["reference"], 1),
        "fused_us": None if fused is None else round(fused, 1),
        "eager_over_fused": None if fused is None else round(medians["eager"] / fused, 1),
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
    table = Table("operation", "backend", "why")
    for operation in status["operations"]:
        table.add_row(*(operation[key] for key in ("op", "backend", "why")))
    console.print(table)
    # Below the table: operations share a remedy, and a cell would break the command into lines.
    for remedy in dict.fromkeys(row["remedy"] for row in status["operations"] if row["remedy"]):
        console.print(f"for fused operations: {remedy}", soft_wrap=True, highlight=False)
    title = f"one call on {ROWS} x {COLUMNS} float32 elements, median us"
    speed = Table("operation", "eager", "reference", "fused", "eager / fused", title=title)
    for row in status["speed"]:
        values = (row[key] for key in ("eager_us", "reference_us", "fused_us", "eager_over_fused"))
        speed.add_row(row["op"], *("-" if value is None else str(value) for value in values))
    console.print(speed)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip()
