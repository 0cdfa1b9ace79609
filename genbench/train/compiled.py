"""The whole training step of a model as one compiled function of flat tensors, in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from genbench.protocol import Examples, Model
from genbench.train.capture import Captured
from genbench.train.graphs import Untraceable, compile_graph, draws, trace
from genbench.train.memory import read_memory, write_memory
from genbench.train.options import Options
from genbench.train.seeding import global_seed
from genbench.train.step import State, Step, Tensors

# Of the compiled step's terms against the formulas', relative and absolute: sums in another order
# are 1e-6 apart in float32, a value that tracing made a constant is off by its own size.
AGREE = 1e-3


def traceable(model: Model, given: Tensor | Examples) -> None:
    """Raises Untraceable, in one line, where `model`'s step cannot be compiled; given: a batch."""
    step, given = Step(model), Examples.of(given)
    state = step.start()
    trace(InPlace(step, state, given), [*state.tensors(), *example(step, given)])


def example(step: Step, given: Examples) -> list[Tensor]:
    """Inputs like those of every step, as `InPlace` takes them."""
    turns, device = len(step.turns), given.x.device
    seeds = torch.arange(turns, device=device).unsqueeze(1)
    # tracing takes one tensor given twice for one input
    xs = [tensor.roll(turn, 0) for turn in range(turns) for tensor in given.tensors()]
    return [row_of(step, 0, 1, device), seeds, *xs]


def row_of(step: Step, index: int, steps: int, device: torch.device) -> Tensor:
    """The numbers of step `index` of `steps` in one tensor (k,), float64."""
    turns = step.numbers(index, steps)
    row = [index / steps, *(number for turn in turns for number in turn)]
    return torch.tensor(row, dtype=torch.float64, device=device)


class InPlace:
    """A step as a function of a flat list of tensors, whose state it overwrites.

    (*state, numbers, seeds, *tensors of each turn's examples) -> [whether every loss is finite,
    *terms]; `names` holds the turn and name of each of these terms once the function has run.
    """

    def __init__(self, step: Step, state: State, given: Examples) -> None:
        self._step = step
        self._state, self._given = state, given  # for their structure
        self._length = len(state.tensors())
        self.names: list[tuple[int, str]] = []

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        old, (numbers, seeds, *rest) = tensors[: self._length], tensors[self._length :]
        width = len(self._given.tensors())
        xs = [self._given.filled(rest[i : i + width]) for i in range(0, len(rest), width)]
        new, turns, fine = self._step(self._state.filled(old), numbers, xs, seeds)
        for tensor, fresh in zip(old, new.tensors(), strict=True):
            tensor.copy_(fresh)
        self.names = [(i, name) for i, terms in enumerate(turns) for name in terms]
        return [fine, *(term for terms in turns for term in terms.values())]


class CompiledStep:
    """Runs the step of `model`, whose parameters become views of the flat tensors it works on.

    given: a batch like all that follow. optimizers: torch's, by phase; `publish` and `adopt` alone
    write and read their memory. Raises Untraceable.
    """

    def __init__(
        self,
        model: Model,
        optimizers: Mapping[str, torch.optim.Optimizer],
        given: Examples,
        options: Options,
    ) -> None:
        self.step = step = Step(model, options)
        self._optimizers = optimizers
        self._state = state = step.start()
        function, inputs = InPlace(step, state, given), example(step, given)
        arguments = [*state.tensors(), *inputs]
        graph = trace(function, arguments)
        self._names = function.names
        self._draws = draws(graph)
        self._run = compile_graph(graph, arguments)
        if not self._draws:
            self._refuse_other_values(function, arguments)
        elif options.captured:
            raise Untraceable("captured: the step draws from torch's own generator, not batch.seed")
        self._own()
        self._graph = Captured(self._run, self._tensors, inputs) if options.captured else None

    def _own(self) -> None:
        """Makes the model's parameters views of the flat tensors, its buffers the state's."""
        named = dict(self.step.module.named_parameters())
        for name, view in self.step.layout.split(self._state.flats).items():
            named[name].data = view
        buffers = {name: tensor.detach() for name, tensor in self.step.buffers().items()}
        self._state = State(self._state.flats, self._state.slots, buffers)
        self._tensors = self._state.tensors()

    def _refuse_other_values(self, function: InPlace, arguments: Sequence[Tensor]) -> None:
        """Finds constants in disguise: a counter or a NumPy generator in a user's function."""
        with torch.no_grad():
            wanted = function(*(tensor.clone() for tensor in arguments))
            found = self._run(*(tensor.clone() for tensor in arguments))
        for (turn, name), a, b in zip(self._names, wanted[1:], found[1:], strict=True):
            if not torch.allclose(a, b, rtol=AGREE, atol=AGREE, equal_nan=True):
                phase = self.step.turns[turn][0]
                raise Untraceable(
                    f"the step cannot be compiled: '{phase}/{name}' is {a.item():g}, but "
                    f"{b.item():g} compiled; a loss may draw from batch.seed alone and keep nothing"
                )

    def __call__(
        self, index: int, steps: int, xs: Sequence[Examples], seeds: Tensor
    ) -> tuple[list[Tensors], bool]:
        """Step `index` of `steps`: each turn's terms, and whether every loss was finite.

        xs: a batch for each turn. seeds: int64 (turns, 1). From the first loss that is not finite
        on, no weight moved.
        """
        row = row_of(self.step, index, steps, xs[0].x.device)
        flat = [tensor for given in xs for tensor in given.tensors()]
        with torch.no_grad():
            if self._graph is not None:
                fine, *values = [tensor.clone() for tensor in self._graph(row, seeds, *flat)]
            elif self._draws:
                with global_seed(int(seeds[0])):
                    fine, *values = self._run(*self._tensors, row, seeds, *flat)
            else:
                fine, *values = self._run(*self._tensors, row, seeds, *flat)
        terms: list[Tensors] = [{} for _ in self.step.turns]
        for (turn, name), value in zip(self._names, values, strict=True):
            terms[turn][name] = value
        return terms, bool(fine)

    def publish(self, index: int) -> None:
        """Gives torch's optimisers the memory after `index` steps."""
        order = [phase for phase, _ in self.step.turns]
        for phase, optimizer in self._optimizers.items():
            count = index * order.count(phase)
            write_memory(self.step, phase, optimizer, self._state.slots[phase], count)

    def adopt(self) -> None:
        """Takes over the memory that torch's optimisers hold."""
        for phase, optimizer in self._optimizers.items():
            rows = read_memory(self.step, phase, optimizer)
            for row, held in zip(self._state.slots[phase], rows, strict=True):
                for slot, flat in row.items():
                    flat.copy_(held[slot])
