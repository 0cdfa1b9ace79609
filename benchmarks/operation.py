"""One operation to compare: its inputs, the eager forms, and the calls of every variant.

`Operation` is what a file in benchmarks/ops/ states; a `Case` is one comparison of it: a direction,
a size, a dtype and a device.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.check import Disagreement, Outputs, refuse_different, refuse_unlawful
from benchmarks.measure import Twins
from genbench import ops

FORWARD, BOTH = "forward", "forward + backward"
CPU = torch.device("cpu")
SEED = 1
Function = Callable[..., Outputs]  # (*inputs) -> outputs

# float32: noise agrees within 1e-5 and a sigma of 15 multiplies it. bfloat16: 8 bits, and eager
# forms round between their steps.
TOLERANCE = {torch.float32: 2e-4, torch.bfloat16: 6e-2}


class Noise(NamedTuple):
    """What an operation draws, and how to tell it from the results."""

    law: str  # normal or uniform
    shape: Callable[..., tuple[int, ...]]  # (*inputs)
    solve: Callable[..., Tensor]  # (outputs, *inputs), all float64


@dataclass(frozen=True)
class Operation:
    """An operation of genbench.ops as benchmarks see it."""

    name: str
    floors: dict[str, int]  # direction -> bytes an element that float32 has to move
    inputs: Callable[[int, torch.Generator], tuple[Tensor, ...]]  # elements -> float32 tensors
    forms: dict[str, Function]  # eager: name -> (*inputs, noise=None); the first is the truth
    seeded: Callable[..., Outputs]  # (function of genbench.ops, *inputs, seed)
    differentiable: int = 0  # how many of the inputs, from the first on, take a gradient
    noise: Noise | None = None
    rivals: dict[str, Callable[[], Function]] = field(default_factory=dict)  # may raise ImportError
    directions: tuple[str, ...] = (FORWARD, BOTH)  # of the default run
    large: bool = False  # whether the default run has its largest size

    def variants(self) -> list[str]:
        drawn = ["compiled_fallback"] if self.noise else []
        return ["eager", "compiled", *drawn, "reference", "fused", *self.rivals]


@dataclass(frozen=True)
class Case:
    """One comparison."""

    operation: Operation
    direction: str
    elements: int
    dtype: torch.dtype = torch.float32
    device: torch.device = CPU

    @property
    def group(self) -> str:
        half = "" if self.dtype == torch.float32 else f", {self.dtype_name}"
        size = self.elements.bit_length() - 1
        return f"{self.operation.name} {self.direction}, 2^{size} elements{half}"

    @property
    def id(self) -> str:
        """As pytest's -k takes it."""
        both = "both" if self.direction == BOTH else "forward"
        size = f"size{self.elements.bit_length() - 1}"
        return f"{self.operation.name}-{both}-{size}-{self.dtype_name}"

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    @property
    def moved_bytes(self) -> int:
        return self.operation.floors[self.direction] * self.elements * self.dtype.itemsize // 4

    def inputs(self) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(0)
        made = self.operation.inputs(self.elements, generator)
        return tuple(x.to(self.device, self.dtype) for x in made)

    def probe(self) -> Tensor:
        """Asks `fused_for` whether this dtype on this device has a kernel: noise, by its seed."""
        noise = self.operation.noise
        if noise is not None and noise.law == self.operation.name:
            return self.seed()
        return torch.empty(1, dtype=self.dtype, device=self.device)

    def seed(self) -> Tensor:
        return torch.tensor([SEED], device=self.device)


def checked_calls(case: Case, names: list[str]) -> tuple[dict[str, Twins], dict[str, Disagreement]]:
    """What to time of each variant, and what is wrong with those that compute something else.

    Each form of eager is a call of its own, "eager: FORM".
    """
    torch.compiler.reset()  # the limit on compiled shapes of one function counts over all cases
    truth = Truth(case)
    calls, wrong = {}, {}
    for name in names:
        for label, function in functions(case, name).items():
            call = bind(function, case, case.inputs())
            try:
                truth.refuse_wrong(label, call(), seeded=name in ("reference", "fused"))
            except Disagreement as error:
                wrong[name] = error
            else:
                calls[label] = Twins(call, bind(function, case, case.inputs()))
    return calls, wrong


def functions(case: Case, name: str) -> dict[str, Function]:
    """A variant's functions of the inputs, one but for eager."""
    operation = case.operation
    form = next(iter(operation.forms.values()))
    if name == "eager":
        return {f"eager: {label}": function for label, function in operation.forms.items()}
    if name in ("compiled", "compiled_fallback"):
        options: Any = {"fallback_random": True} if name == "compiled_fallback" else None
        return {name: torch.compile(form, fullgraph=True, dynamic=False, options=options)}
    if name in operation.rivals:
        return {name: operation.rivals[name]()}
    function = getattr(ops.reference if name == "reference" else ops, operation.name)
    seed = case.seed()
    return {name: lambda *inputs: operation.seeded(function, *inputs, seed=seed)}


def bind(function: Function, case: Case, inputs: tuple[Tensor, ...]) -> Callable[[], Outputs]:
    """The call of a direction: results, and in BOTH the gradients after them."""
    if case.direction == FORWARD:
        return lambda: function(*inputs)
    wanted = [x.requires_grad_() for x in inputs[: case.operation.differentiable]]
    slopes: list[Tensor] = []

    def both() -> Outputs:
        outputs = function(*inputs)
        steep = [x for x in outputs if x.requires_grad]
        if not slopes:  # the first call, which is not timed
            slopes.extend(slope_of(x) for x in steep)
        return (*outputs, *torch.autograd.grad(steep, wanted, slopes))

    return both


def slope_of(output: Tensor) -> Tensor:
    """The gradient that arrives at an output, the same for every variant; one for a loss."""
    if output.ndim == 0:
        return torch.ones_like(output)
    drawn = torch.randn(output.shape, generator=torch.Generator().manual_seed(output.ndim))
    return drawn.to(output.device, torch.bfloat16).to(output.dtype)  # exact in every dtype


class Truth:
    """The first eager form in float64, at the noise of the seed or at any other."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.wide = tuple(x.double() for x in case.inputs())
        self.form = next(iter(case.operation.forms.values()))
        noise = case.operation.noise
        self.fixed = None
        if noise is not None:
            draw = getattr(ops.reference, noise.law)
            self.fixed = draw(noise.shape(*self.wide), seed=case.seed(), dtype=torch.float64)
        self.seeded = self.at(self.fixed)

    def at(self, noise: Tensor | None) -> Outputs:
        inputs = tuple(x.detach().clone() for x in self.wide)
        given = {} if noise is None else {"noise": noise}
        outputs = bind(lambda *x: self.form(*x, **given), self.case, inputs)()
        return tuple(x.detach() for x in outputs)

    def refuse_wrong(self, name: str, found: Outputs, *, seeded: bool) -> None:
        tolerance = TOLERANCE[self.case.dtype]
        law = self.case.operation.noise
        if seeded or law is None:
            refuse_different(name, found, self.seeded, tolerance)
            return
        drawn = law.solve(tuple(x.detach().double() for x in found), *self.wide)
        refuse_unlawful(name, drawn, law.law, self.wide, tolerance)
        refuse_different(name, found, self.at(drawn), tolerance)
