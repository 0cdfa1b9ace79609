"""What is known of an operation to test it: arguments of many calls, and their float64 oracle."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Arguments = dict[str, Any]
Build = Callable[[tuple[int, ...], torch.Generator], Arguments]
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

# One to five dimensions; around the 64 numbers drawn side by side and the 1024 added up at once.
SHAPES = [(1,), (5,), (64,), (1023,), (3, 1), (2, 3), (1, 63), (3, 65), (7, 341), (2, 1024)]
SHAPES += [(2, 1025), (1, 4099), (300, 7), (1025, 1), (1, 1, 1), (3, 1, 2), (2, 3, 5)]
SHAPES += [(3, 2, 4, 5), (2, 3, 16, 16), (1, 1, 1, 1), (2, 3, 2, 3, 2), (2, 1, 3, 1, 4)]
COUNT = 36  # samples of an operation: each shape at least once, under changing variants


@dataclass(frozen=True)
class Operation:
    """A public operation. Its oracle derives the results another way than genbench/ops does."""

    name: str
    variants: dict[str, Build]  # the ways to call it, as arguments for a shape
    oracle: Callable[..., tuple[Tensor, ...]]  # the same arguments, float64; differentiable
    results: dict[str, str]  # name: dtype, "like" the data's or "wide", at least float32
    data: tuple[str, ...] = ()  # tensors (B, ...) of the dtype and layout that a test chooses
    rows: tuple[str, ...] = ()  # numbers, or tensors () or (B,) of a dtype of their own
    constant: tuple[str, ...] = ()  # those of both without a gradient
    learned: tuple[str, ...] = ()  # those that seldom need one: a kernel may leave them to torch
    takes_empty: bool = True  # a mean of nothing is refused
    call: Callable[..., Any] | None = None  # (api, **arguments), where it is no plain call
    roundoff_of_data: bool = False  # errors count in the data's dtype

    def run(self, api: Any, arguments: Arguments) -> tuple[Tensor, ...]:
        if self.call is not None:
            results = self.call(api, **arguments)
        else:
            results = getattr(api, self.name)(**arguments)
        return results if isinstance(results, tuple) else (results,)

    def samples(self) -> Iterator[Arguments]:
        """Arguments in float64; each dtype and layout is made of them by `arrange`."""
        builds = list(self.variants.values())
        for i, shape in zip(range(COUNT), itertools.cycle(SHAPES), strict=False):
            # the second round of shapes meets other variants
            build = builds[(i + i // len(SHAPES)) % len(builds)]
            yield build(shape, torch.Generator().manual_seed(i))

    def expected(self, arguments: Arguments) -> tuple[Tensor, ...]:
        return self.oracle(**{k: v for k, v in arguments.items() if k != "dtype"})

    def leaves(self, arguments: Arguments, learned: bool = True) -> dict[str, Tensor]:
        """The tensors that may need a gradient, by name."""
        absent = self.constant if learned else (*self.constant, *self.learned)
        names = [name for name in (*self.data, *self.rows) if name not in absent]
        return {
            name: arguments[name]
            for name in names
            if isinstance(arguments.get(name), Tensor) and arguments[name].is_floating_point()
        }

    def modes(self, arguments: Arguments) -> list[dict[str, Tensor]]:
        """The sets of leaves to call it with: none, the usual ones, all."""
        usual, every = self.leaves(arguments, learned=False), self.leaves(arguments)
        return [{}, *([usual] if usual else []), *([every] if len(every) > len(usual) else [])]


def normals(shape, g: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=g, dtype=torch.float64)


def between(low: float, high: float, shape, g: torch.Generator, dtype=torch.float64) -> Tensor:
    drawn = torch.rand(shape, generator=g, dtype=torch.float64)
    return (low + (high - low) * drawn).to(dtype)


def key(g: torch.Generator) -> Tensor:
    """A seed [key]."""
    return torch.randint(-(2**62), 2**62, (1,), generator=g)


def shard(g: torch.Generator) -> Tensor:
    """A seed [key, first element], beyond 2^32 elements and at any place in a block."""
    return torch.cat([key(g), torch.randint(2**31, 2**40, (1,), generator=g)])


def channels_last(t: Tensor) -> Tensor:
    return t.movedim(1, -1).contiguous().movedim(-1, 1) if t.ndim > 2 else t


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda t: t.contiguous(),
    "channels_last": channels_last,
    "strided": lambda t: torch.stack([t, -t], dim=-1)[..., 0],
    "transposed": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
    "expanded": lambda t: t.select(-1, 0)[..., None].expand_as(t) if t.numel() else t,
    "no_rows": lambda t: t[:0],
    "no_columns": lambda t: t[..., :0],
    "size_one": lambda t: t[:1],
}


EMPTY = ("no_rows", "no_columns")


def arrange(op: Operation, arguments: Arguments, dtype: torch.dtype, layout: str) -> Arguments:
    """The arguments in a dtype and a memory layout; seeds and rows get the layout too."""
    columns = any(
        t.ndim > 1 for n, t in arguments.items() if n in op.data and isinstance(t, Tensor)
    )
    layout = "no_rows" if layout == "no_columns" and not columns and op.data else layout
    cut = {"no_rows": 0, "size_one": 1}.get(layout)
    change, out = LAYOUTS[layout], dict(arguments)
    for name, value in arguments.items():
        if not isinstance(value, Tensor):
            continue
        if name in op.data:
            out[name] = change(value.to(dtype))
        elif name in op.rows and value.ndim and layout != "no_columns":
            out[name] = value[:cut] if cut is not None else change(value)
        elif name == "seed" and layout == "strided":
            out[name] = change(value)
    if "shape" in arguments:  # noise: nothing but its shape to cut
        kept = torch.empty(arguments["shape"], device="meta")
        shape = change(kept).shape if cut is not None or layout == "no_columns" else kept.shape
        out |= {"shape": tuple(shape), "dtype": dtype}
    return out


def exact(op: Operation, arguments: Arguments) -> Arguments:
    """The same numbers in float64, in memory of their own."""
    named = (*op.data, *op.rows)
    return {
        name: value.detach().double().clone()
        if name in named and isinstance(value, Tensor)
        else value
        for name, value in arguments.items()
    }
