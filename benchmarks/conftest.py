"""How every operation is timed: checked first, warmed up, cache flushed, the machine in the row.

    pytest benchmarks/ --benchmark-only
    pytest benchmarks/ --benchmark-only --benchmark-autosave --benchmark-compare

A group holds the same work four times: what people write by hand with torch's own noise (eager),
the reference formula with its Philox noise, that formula under torch.compile, and the fused kernel.
On one thread, or as many as OMP_NUM_THREADS says. Rows under results/ are --benchmark-json files.
"""

import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch

import genbench
from genbench.ops.backend import active, build_info, load_error

FLUSH = 64 * 2**20  # bytes written before a timed call: more than the last cache of common CPUs
SECONDS = 0.5  # aimed at for a row
ROUNDS = (10, 100)

Outputs = tuple[torch.Tensor, ...]


def machine() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    info = build_info() or {}
    return {
        "processor": processor(),
        "torch": torch.__version__,
        "genbench": genbench.__version__,
        "threads": torch.get_num_threads(),
        "instruction_set": info.get("instruction set in use"),
        "compiler": info.get("compiler"),
    }


def pytest_benchmark_update_json(config: Any, benchmarks: Any, output_json: dict[str, Any]) -> None:
    """Keep rows small: percentiles are in extra_info, and so is what matters of the machine."""
    kept = ("machine", "system", "python_version")
    output_json["machine_info"] = {key: output_json["machine_info"][key] for key in kept}
    for row in output_json["benchmarks"]:
        row["stats"].pop("data", None)


def processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """One by default: a row then does not tell of what else runs on the other cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["eager", "reference", "compiled", "fused"])
def variant(request: pytest.FixtureRequest) -> str:
    """Which of a group's four rows this is."""
    if request.param == "fused" and active() != "fused":
        pytest.skip(load_error() or "GENBENCH_BACKEND=reference")
    torch.compiler.reset()  # the limit on compiled shapes of one function counts over all tests
    return request.param


@pytest.fixture
def time_it(benchmark: Any, variant: str) -> Callable[..., None]:
    """Times a call and notes the machine, the working set and percentiles in its row."""

    def run(
        call: Callable[[], Outputs],
        truth: Outputs,
        *,
        group: str,
        elements: int,
        bytes_per_element: int,
        tolerance: float,
        found: Outputs | None = None,  # checked instead where the call draws other noise
    ) -> None:
        refuse_if_different(call() if found is None else found, truth, tolerance)
        flushed = elements >= 2**16  # smaller calls measure the way to the kernel, not memory
        benchmark.group = f"{group}, 2^{elements.bit_length() - 1} elements"
        row = machine() | {"variant": variant, "elements": elements}
        row["working_set_bytes"] = elements * bytes_per_element
        row["cache"] = "flushed before every call" if flushed else "warm"
        benchmark.extra_info.update(row)
        scratch = torch.zeros(FLUSH // 4) if flushed else torch.zeros(1)
        benchmark.pedantic(
            call,
            setup=lambda: flush(scratch),
            rounds=rounds(call, scratch),
            warmup_rounds=3,
        )
        if benchmark.stats is not None:  # None under --benchmark-disable
            benchmark.extra_info.update(summary(benchmark.stats.stats.data, row))

    return run


def refuse_if_different(found: Outputs, truth: Outputs, tolerance: float) -> None:
    """A wrong result has no speed."""
    for a, b in zip(found, truth, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def flush(scratch: torch.Tensor) -> None:
    scratch.add_(1)


def rounds(call: Callable[[], Outputs], scratch: torch.Tensor) -> int:
    """As many as fit into SECONDS, from one timed call."""
    flush(scratch)
    started = perf_counter()
    call()
    flush(scratch)
    spent = perf_counter() - started
    low, high = ROUNDS
    return int(min(max(SECONDS / spent, low), high))


def summary(seconds: list[float], row: dict[str, Any]) -> dict[str, float]:
    p10, p50, p90 = np.percentile(seconds, [10, 50, 90])
    return {
        "p10_us": round(p10 * 1e6, 2),
        "median_us": round(p50 * 1e6, 2),
        "p90_us": round(p90 * 1e6, 2),
        "ns_per_element": round(p50 * 1e9 / row["elements"], 3),
        "gigabytes_per_second": round(row["working_set_bytes"] / p50 / 1e9, 2),
    }
