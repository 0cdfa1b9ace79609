"""Measures every operation's errors and writes docs/accuracy.md: `make accuracy`."""

import sys
from pathlib import Path

import torch
from samples import FLOATS, LAYOUTS
from samples.bounds import BOUNDS
from samples.operation import COUNT
from samples.sweep import Errors, measure

from genbench.ops.extension import build_info

PAGE = Path(__file__).parents[2] / "docs" / "accuracy.md"
HEAD = """# How exact the operations are

The largest errors of the fused kernels, and of the reference formulas, against float64 oracles that
derive each result another way (`tests/ops/samples/`): over {count} calls an operation and dtype, in
{layouts} memory layouts, from one element to 4,099 a sample, with every option.
Slopes are the gradients for the data. Parameter slopes, those for coefficients and a critic's
weight, are sums over elements; in some calls the parameter has half precision whatever the data's
dtype, which shows as 1e-2 in float64.

An error is |result - oracle|. In units it is divided by the dtype's unit roundoff (2^-11 for
float16, 2^-8 for bfloat16, 2^-24 for float32, 2^-53 for float64) and by max(1, |oracle|): correct
rounding stays within 1. Losses, penalties and KL divergences of the half dtypes are float32, and
count in its units. The tests hold the bound, and `tests/ops/samples/bounds.py` gives its cause. For
float64 the oracle's own sums err as much: a bound of 500 units is 6e-14.

`make accuracy` writes this page; here with {kernels} kernels and torch {torch}.

| operation | quantity | dtype | fused: largest error | fused: units | reference: units | bound |
| --- | --- | --- | --- | --- | --- | --- |
"""


def page(fused: Errors, reference: Errors) -> str:
    info = build_info()
    assert info is not None
    head = HEAD.format(
        count=COUNT,
        layouts=len(LAYOUTS),
        kernels=info["instruction set in use"],
        torch=torch.__version__.split("+")[0],
    )
    return head + "".join(
        f"| {name} | {quantity} | {str(dtype).removeprefix('torch.')} "
        f"| {fused[name, quantity, dtype].absolute:.1e} "
        f"| {fused[name, quantity, dtype].units:.2f} "
        f"| {reference[name, quantity, dtype].units:.2f} | {bound:g} |\n"
        for name, quantities in BOUNDS.items()
        for quantity, bounds in quantities.items()
        for dtype, bound in zip(FLOATS, bounds, strict=True)
    )


def main() -> None:
    torch.set_num_threads(1)
    if build_info() is None:
        sys.exit("the table is of the kernels, and there are none here: make env")
    PAGE.write_text(page(*(measure(api, [*LAYOUTS]) for api in ("public", "reference"))))


if __name__ == "__main__":
    main()
