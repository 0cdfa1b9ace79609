"""What stands in a row beside pytest-benchmark's own statistics."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.measure import FLUSHED_FROM, Measured
from benchmarks.operation import Case

MEMORY = (
    "reused: freed memory stays in the process; fresh_*: returned to the system before every call"
)
COLD = "flushed before every call; to 2^20 elements code warmed by a call of other inputs"


def eager_form(seconds: dict[str, list[float]]) -> str:
    """The fastest of the eager forms, by its median."""
    forms = [label for label in seconds if label.startswith("eager: ")]
    return min(forms, key=lambda label: float(np.median(seconds[label])))


def extra_info(case: Case, label: str, measured: Measured) -> dict[str, Any]:
    """variant, op, direction, elements, dtype, bytes and every figure of one row.

    bytes: what the floor of the operation moves; gigabytes_per_second: that by the median;
    copy_bandwidth: a copy of as many bytes in the same rounds; share_of_copy: of both.
    """
    variant, _, form = label.partition(": ")
    row: dict[str, Any] = {"variant": variant, "op": case.operation.name}
    if form:
        row["form"] = form
    row |= {"direction": case.direction, "elements": case.elements, "dtype": case.dtype_name}
    row |= {"bytes": case.moved_bytes, "memory": MEMORY}
    row["cache"] = COLD if case.elements >= FLUSHED_FROM else "warm"
    row |= percentiles(measured.reused[label])
    median = float(np.median(measured.reused[label]))
    copy = float(np.median(measured.copy))
    row["ns_per_element"] = round(median * 1e9 / case.elements, 4)
    row["gigabytes_per_second"] = round(case.moved_bytes / median / 1e9, 3)
    row["copy_bandwidth"] = round(case.moved_bytes / copy / 1e9, 3)
    row["share_of_copy"] = round(copy / median, 4)
    row["page_faults"] = measured.faults[label]
    if label in measured.fresh:
        figures = percentiles(measured.fresh[label])
        row |= {f"fresh_{name}": value for name, value in figures.items()}
    return row


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    p10, p50, p90 = np.percentile(seconds, [10, 50, 90]) * 1e6
    return {"p10_us": round(p10, 2), "median_us": round(p50, 2), "p90_us": round(p90, 2)}
