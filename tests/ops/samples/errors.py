"""Errors of an operation against its float64 oracle, in unit roundoffs."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from .operation import Arguments, Operation, exact

Outputs = tuple[Tensor, ...]


class Error(NamedTuple):
    absolute: float
    units: float  # |got - want| / (unit roundoff * max(1, |want|))


def roundoff(dtype: torch.dtype) -> float:
    """Half the distance from 1 to the next number."""
    return torch.finfo(dtype).eps / 2


def distance(got: Tensor, want: Tensor, unit: float, floor: float = 1.0) -> Error:
    """The largest of both, each over all elements; a NaN is infinitely far."""
    if got.numel() == 0:
        return Error(0.0, 0.0)
    gap = (got.detach().double() - want.detach()).abs()
    units = gap / (unit * want.detach().abs().clamp(min=floor))
    return Error(*(float(x.nan_to_num(torch.inf).max()) for x in (gap, units)))


def worst(*errors: Error) -> Error:
    return Error(*(max(column) for column in zip(*errors, strict=True)))


def compare(op: Operation, api, arguments: Arguments, dtype: torch.dtype) -> dict[str, Error]:
    """The errors of a call: of its results by name, and of all their "slopes", of "parameter
    slopes" where an argument is no data; the worst of calls
    without gradients, with the usual ones, and with all."""
    found: dict[str, Error] = {}
    wanted = None
    for leaves in reversed(op.modes(arguments)):
        results, grads, slopes = differentiate(op, lambda a: op.run(api, a), arguments, leaves)
        if wanted is None:  # the first call has every leaf
            truth = exact(op, arguments)
            wanted, _, exact_slopes = differentiate(op, op.expected, truth, leaves, grads)
        for name, a, b in zip(op.results, results, wanted, strict=True):
            error = distance(a, b, _unit(op, a, dtype))
            found[name] = worst(error, found.get(name, error))
        for name, slope in slopes.items():
            floor = _floor(op, name, slope, arguments, dtype)
            error = distance(slope, exact_slopes[name], _unit(op, slope, dtype), floor)
            quantity = "slopes" if name in op.data else "parameter slopes"
            found[quantity] = worst(error, found.get(quantity, error))
    return found


def differentiate(
    op: Operation,
    run: Callable[[Arguments], Outputs],
    arguments: Arguments,
    names: Iterable[str],
    grads: list[Tensor] | None = None,
) -> tuple[Outputs, list[Tensor], dict[str, Tensor]]:
    """Results, what reached them from above, and the slopes of the leaves by name."""
    leaves = {name: arguments[name].detach().requires_grad_() for name in names}
    results = run(arguments | leaves)
    if grads is None:
        grads = _incoming(op, results, arguments)
    if not leaves:
        return results, grads, {}
    pairs = [(y, g.to(y.dtype)) for y, g in zip(results, grads, strict=True) if y.requires_grad]
    slopes = torch.autograd.grad(
        [y for y, _ in pairs], [*leaves.values()], [g for _, g in pairs], materialize_grads=True
    )
    return results, grads, dict(zip(leaves, slopes, strict=True))


def _data(op: Operation, arguments: Arguments) -> list[Tensor]:
    return [t for n, t in arguments.items() if n in op.data and isinstance(t, Tensor)]


def _incoming(op: Operation, results: Outputs, arguments: Arguments) -> list[Tensor]:
    """A mean's is so large that slopes are near 1."""
    data = next(iter(_data(op, arguments)), torch.ones(0))
    count = len(data) if op.name.startswith("gradient") else data.numel()
    return [
        torch.full_like(y, count)
        if y.ndim == 0
        else torch.linspace(-1, 2, y.numel(), dtype=torch.float64).reshape(y.shape).to(y.dtype)
        for y in results
    ]


def _unit(op: Operation, got: Tensor, dtype: torch.dtype) -> float:
    return roundoff(dtype if op.roundoff_of_data else got.dtype)


def _floor(op: Operation, name: str, slope: Tensor, arguments: Arguments, dtype) -> float:
    """A coefficient's slope is a sum over data: of terms that were rounded as the data are, each
    its own way, and of sums in the wide dtype, which may all err alike."""
    if name in op.data:
        return 1.0
    count = max(t.numel() for t in _data(op, arguments))
    wide = roundoff(torch.promote_types(dtype, torch.float32))
    error = max(count**0.5 * roundoff(dtype), count * wide)
    return max(1.0, error / _unit(op, slope, dtype))
