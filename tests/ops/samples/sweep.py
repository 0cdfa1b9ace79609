"""The largest errors of every operation over its samples."""

from collections.abc import Iterable

import torch

from genbench import ops

from . import FLOATS, OPERATIONS
from .errors import Error, compare, worst
from .operation import EMPTY, arrange

Errors = dict[tuple[str, str, torch.dtype], Error]


def measure(api: str, layouts: Iterable[str]) -> Errors:
    """By (operation, quantity, dtype); api: "public" or "reference"."""
    functions, found = {"public": ops, "reference": ops.reference}[api], {}
    for name, op in OPERATIONS.items():
        for dtype in FLOATS:
            for sample in op.samples():
                for layout in layouts:
                    if layout in EMPTY and not op.takes_empty:
                        continue
                    arguments = arrange(op, sample, dtype, layout)
                    for quantity, error in compare(op, functions, arguments, dtype).items():
                        place = name, quantity, dtype
                        found[place] = worst(error, found.get(place, error))
    return found
