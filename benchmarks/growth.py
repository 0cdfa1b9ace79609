"""How time and memory of the metrics grow with rows and columns.

    python -m benchmarks.growth --out docs/benchmarks
    python -m benchmarks.growth --out DIR --metrics precision_recall --largest 5000

Writes DIR/growth.json, a row for each call, and DIR/growth.png; prints the fitted exponents. A
call runs in a process of its own, so that its peak memory is its own. Exit 2 with one line for bad
input.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.compare import BadInput, Parser
from benchmarks.machine import machine
from benchmarks.peak import peak
from genbench import metrics

# name -> (real, fake) -> anything; add a line to see another metric grow.
CALLS: dict[str, Callable[[Tensor, Tensor], object]] = {
    "precision_recall": lambda real, fake: metrics.precision_recall(real=real, fake=fake),
    "frechet_distance": lambda real, fake: metrics.frechet_distance(real=real, fake=fake),
    "kernel_distance": lambda real, fake: metrics.kernel_distance(real=real, fake=fake),
    "knn_divergence": lambda real, fake: metrics.knn_divergence(real=real, fake=fake),
    "memorization": lambda real, fake: metrics.memorization(real=real, fake=fake),
}
ROWS, WIDTH = (2500, 5000, 10_000, 20_000), 256  # N at one width
WIDTHS, COUNT = (64, 128, 256, 512, 1024), 5000  # d at one N; the Frechet distance has N > d
FITTED = 3  # points, the largest, that an exponent is fitted to: small ones pay for the call
FIGURES = {
    "cpu_seconds": "seconds of all cores together",  # other work on the machine shows least in it
    "extra_mib": "MiB beside the features",
}

Row = dict[str, Any]


def sizes(largest: int) -> Iterator[tuple[str, int, int]]:
    """(axis, N, d) of every call with N <= largest."""
    yield from (("rows", n, WIDTH) for n in ROWS if n <= largest)
    yield from (("width", COUNT, d) for d in WIDTHS if largest >= COUNT)


def measure(name: str, n: int, d: int) -> Row:
    """One call on float32 features (n, d) twice, after a small one that loads its code."""
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(n, d, generator=rng)
    fake = torch.randn(n, d, generator=rng)
    CALLS[name](real[: 2 * d + 64], fake[: 2 * d + 64])
    started = time.process_time()
    found = peak(lambda: CALLS[name](real, fake))
    cpu = time.process_time() - started
    extra = None if found.extra_bytes is None else round(found.extra_bytes / 2**20, 1)
    row = {"metric": name, "rows": n, "width": d, "seconds": found.seconds, "cpu_seconds": cpu}
    return row | {"extra_mib": extra} | machine(torch.device("cpu"))


def in_a_process(name: str, axis: str, n: int, d: int) -> Row:
    command = [sys.executable, "-m", "benchmarks.growth", "--one", name, str(n), str(d)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"axis": axis} | json.loads(ran.stdout.splitlines()[-1])


def exponent(rows: list[Row], axis: str, figure: str) -> float | None:
    """Slope of ln(figure) against ln(axis) over the largest sizes; None with fewer than two."""
    along = sorted((row[axis], row[figure]) for row in rows if row["axis"] == axis)[-FITTED:]
    if len(along) < 2 or any(not value for _, value in along):
        return None
    x, y = np.log(np.array(along, dtype=float)).T
    return float(np.polyfit(x, y, 1)[0])


def exponents(rows: list[Row]) -> list[Row]:
    """{"metric", "axis", "figure", "exponent"} of every line that has one."""
    found = []
    for name in dict.fromkeys(row["metric"] for row in rows):
        own = [row for row in rows if row["metric"] == name]
        for axis in ("rows", "width"):
            for figure in FIGURES:
                slope = exponent(own, axis, figure)
                if slope is not None:
                    line = {"metric": name, "axis": axis, "figure": figure}
                    found.append(line | {"exponent": round(slope, 2)})
    return found


def draw(rows: list[Row], path: Path) -> None:
    """Four panels: seconds and memory against rows and width, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 7), sharex="col")
    slopes = {(s["metric"], s["axis"], s["figure"]): s["exponent"] for s in exponents(rows)}
    fixed = {"rows": f"N = M, d = {WIDTH}", "width": f"d, N = M = {COUNT}"}
    for line, (name, label) in enumerate(FIGURES.items()):
        for column, axis in enumerate(fixed):
            panel = axes[line][column]
            for metric in dict.fromkeys(row["metric"] for row in rows):
                own = sorted(
                    (row[axis], row[name])
                    for row in rows
                    if row["metric"] == metric and row["axis"] == axis and row[name]
                )
                slope = slopes.get((metric, axis, name))
                text = metric if slope is None else f"{metric}, exponent {slope:.1f}"
                panel.loglog(*zip(*own, strict=True) if own else ([], []), marker="o", label=text)
            panel.set_ylabel(label)
            panel.legend(fontsize=7, frameon=False)
            panel.grid(alpha=0.3)
            axes[1][column].set_xlabel(fixed[axis])
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def parse(arguments: list[str] | None) -> Any:
    parser = Parser(prog="benchmarks.growth", description="Growth of time and memory.")
    parser.add_argument("--out", type=Path, metavar="DIR")
    parser.add_argument("--metrics", nargs="+", default=list(CALLS), metavar="NAME")
    parser.add_argument("--largest", type=int, default=max(ROWS), metavar="N", help="most rows")
    parser.add_argument("--one", nargs=3, metavar=("NAME", "N", "D"), help="one call, as a row")
    chosen = parser.parse_args(arguments)
    names = chosen.metrics if chosen.one is None else chosen.one[:1]
    if unknown := [name for name in names if name not in CALLS]:
        raise BadInput(f"--metrics must be of {', '.join(CALLS)}, got {unknown[0]!r}")
    if chosen.one is None and chosen.out is None:
        raise BadInput("--out must name a folder")
    return chosen


def main(arguments: list[str] | None = None) -> int:
    try:
        chosen = parse(arguments)
    except BadInput as error:
        print(f"benchmarks.growth: {error}", file=sys.stderr)
        return 2
    if chosen.one is not None:
        name, n, d = chosen.one
        print(json.dumps(measure(name, int(n), int(d))))
        return 0
    rows = []
    for name in chosen.metrics:
        for axis, n, d in sizes(chosen.largest):
            rows.append(in_a_process(name, axis, n, d))
            print(f"{name} {n} x {d}: {rows[-1]['cpu_seconds']:.2f} s, {rows[-1]['extra_mib']} MiB")
    chosen.out.mkdir(parents=True, exist_ok=True)
    found = {"rows": rows, "exponents": exponents(rows)}
    (chosen.out / "growth.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(rows, chosen.out / "growth.png")
    for line in found["exponents"]:
        print(f"{line['metric']}: {line['figure']} grow with {line['axis']}^{line['exponent']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
