"""Several seeds of one model as one stacked step: for a GPU, where small steps are all launches.

The step of one lane is traced to plain torch operations, noise included, and mapped over a first
dimension of every tensor (torch.func.vmap). On CUDA it is captured as a CUDA graph on a stream of
its own: a step is one launch that reads its batch and numbers from tables on the device, so nothing
waits for the host between evaluations. The CPU runs the same operations without a graph; there
compiled steps in two processes are faster. The CUDA part has run on no GPU yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor
from torch.func import functionalize, vmap

from genbench import ops
from genbench.errors import InputError
from genbench.train.compiled import example
from genbench.train.graphs import Function, Untraceable, draws, graph_key, trace
from genbench.train.loop import Diverged, Trainer
from genbench.train.memory import read_memory, write_memory
from genbench.train.step import State, Step

CHUNK = 64  # steps whose batches lie on the device at once
WARM_UP = 3  # steps before a capture: libraries allocate their workspaces

__all__ = ["CHUNK", "Ensemble", "run_together"]


class Ensemble:
    """Trains `trainers`, one a lane, by one stacked step; they must not be compiled, and differ in
    seeds alone: weights, batches, noise.

    lanes: at least as many as trainers; the rest repeat the first, so that a lane computes the same
    bits however many are real. Between `run` and `settle` the trainers' own state is old. Raises
    InputError for trainers that differ, Untraceable for a step that cannot be stacked.
    """

    def __init__(self, trainers: Sequence[Trainer], *, lanes: int | None = None) -> None:
        self.trainers = list(trainers)
        lanes = len(self.trainers) if lanes is None else lanes
        if not 1 <= len(self.trainers) <= lanes:
            raise InputError(f"lanes must be at least the {len(self.trainers)} trainers, {lanes=}")
        self._padding = lanes - len(self.trainers)
        first = self.trainers[0]
        if any((t.steps, t.step_index) != (first.steps, first.step_index) for t in self.trainers):
            raise InputError("trainers must be at the same step of runs of the same length")
        self._steps = [Step(trainer.model) for trainer in self.trainers]
        self._step_index = first.step_index
        device = next(self._steps[0].module.parameters()).device
        x = first.peek().to(device)
        states = [self._state(i) for i in range(len(self.trainers))]
        self._structure = states[0]
        function, self._names = self._stacked(x, states)
        self._tensors = [
            torch.stack(self._padded(column))
            for column in zip(*(state.tensors() for state in states), strict=True)
        ]
        self._tables(x, lanes)
        self._function = function
        self._stream: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            self._capture(device)

    def _state(self, lane: int) -> State:
        """The state of a trainer, copied."""
        step, trainer = self._steps[lane], self.trainers[lane]
        state = step.start()
        for phase in state.slots:
            state.slots[phase] = read_memory(step, phase, trainer.optimizers[phase])
        return state

    def _padded(self, rows: Sequence[Tensor]) -> list[Tensor]:
        return [*rows, *[rows[0]] * self._padding]

    def _stacked(
        self, x: Tensor, states: Sequence[State]
    ) -> tuple[Function, list[tuple[int, str]]]:
        """(state, numbers, seeds, xs) -> [fine, terms, state] of all lanes; the terms' names."""
        lanes = [_Lane(step, state) for step, state in zip(self._steps, states, strict=True)]
        step, state = self._steps[0], states[0]
        with ops.backend("reference"):  # plain operations, which vmap takes apart
            graphs = [
                trace(lane, [*state.tensors(), *example(lane.step, x)])
                for lane, state in zip(lanes, states, strict=True)
            ]
        if len(set(map(graph_key, graphs))) > 1:
            raise InputError("trainers must differ in seeds alone: their steps are not the same")
        if draws(graphs[0]):
            raise Untraceable(
                "the step cannot be stacked: it draws from torch's own generator, not batch.seed"
            )
        # what works in place, or into `out`, has no rule of vmap
        arguments = [*state.tensors(), *example(step, x)]
        graph = trace(functionalize(graphs[0]), arguments)
        numbers_at = len(state.tensors())
        dims = tuple(None if i == numbers_at else 0 for i in range(len(arguments)))
        return vmap(graph, in_dims=dims), lanes[0].names

    def _tables(self, x: Tensor, lanes: int) -> None:
        """What steps read on the device, and the counters by which they find it."""
        step, first = self._steps[0], self.trainers[0]
        rows = [
            [index / first.steps, *(n for turn in step.numbers(index, first.steps) for n in turn)]
            for index in range(first.steps)
        ]
        turns, device = len(step.turns), x.device
        self._numbers = torch.tensor(rows, dtype=torch.float64, device=device)
        self._xs = [
            torch.zeros(CHUNK, lanes, *x.shape, dtype=x.dtype, device=device) for _ in range(turns)
        ]
        self._seeds = torch.zeros(CHUNK, lanes, turns, 1, dtype=torch.int64, device=device)
        self._index = torch.full((1,), first.step_index, dtype=torch.int64, device=device)
        self._slot = torch.zeros(1, dtype=torch.int64, device=device)
        self._alive = torch.ones(lanes, dtype=torch.bool, device=device)
        self._died = torch.full(
            (lanes,), -1, dtype=torch.int64, device=device
        )  # the step that it was
        self._terms = torch.zeros(len(self._names), lanes, dtype=torch.float64, device=device)

    @torch.no_grad()
    def _once(self) -> None:
        """One step of all lanes, on tensors that stay where they are. A lane whose loss is not
        finite stays as that step leaves it, and keeps that step's terms."""
        alive = self._alive.clone()
        numbers = self._numbers.index_select(0, self._index)[0]
        seeds, *xs = (table.index_select(0, self._slot)[0] for table in (self._seeds, *self._xs))
        fine, *values = self._function(*self._tensors, numbers, seeds, *xs)
        terms, new = values[: len(self._names)], values[len(self._names) :]
        for i, term in enumerate(terms):
            self._terms[i].copy_(torch.where(alive, term.double(), self._terms[i]))
        self._died.copy_(torch.where(alive & ~fine, self._index, self._died))
        self._alive.logical_and_(fine)
        for old, fresh in zip(self._tensors, new, strict=True):
            moves = alive.view(-1, *[1] * (old.ndim - 1))
            old.copy_(torch.where(moves, fresh, old))
        self._index.add_(1)
        self._slot.add_(1)

    def _capture(self, device: torch.device) -> None:
        """Records a step, which warm-up steps precede; both leave the state as it was."""
        self._stream = stream = torch.cuda.Stream(device)
        changed = [*self._tensors, self._index, self._slot, self._alive, self._died, self._terms]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            before = [tensor.clone() for tensor in changed]
            for _ in range(WARM_UP):
                self._once()
                self._index.copy_(before[len(self._tensors)])  # a short run has no fourth step
            self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream):
            self._once()
        with torch.cuda.stream(stream):
            for tensor, old in zip(changed, before, strict=True):
                tensor.copy_(old)

    def run(self, steps: int) -> None:
        """`steps` more steps of every lane. On CUDA they are queued: the call returns before."""
        last = self.trainers[0].steps
        if self._step_index + steps > last:
            raise InputError(f"steps must end by {last}, got {self._step_index} + {steps}")
        for done in range(0, steps, CHUNK):
            count = min(CHUNK, steps - done)
            with nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
                self._fill(count)
                for _ in range(count):
                    if self._graph is None:
                        self._once()
                    else:
                        self._graph.replay()
        self._step_index += steps

    def _fill(self, count: int) -> None:
        """Draws the batches and seeds of the next steps, in each trainer's own order."""
        drawn = [[trainer.draw() for _ in range(count)] for trainer in self.trainers]
        self._slot.zero_()
        seeds = torch.stack(self._padded([torch.stack([s for _, s in lane]) for lane in drawn]), 1)
        self._put(self._seeds, seeds)
        for turn, table in enumerate(self._xs):
            lanes = [torch.stack([xs[turn] for xs, _ in lane]) for lane in drawn]
            self._put(table, torch.stack(self._padded(lanes), 1))

    def _put(self, table: Tensor, rows: Tensor) -> None:
        """Copies rows to the head of a table without waiting for the device."""
        if table.is_cuda and not rows.is_cuda:
            rows = rows.pin_memory()
        table[: len(rows)].copy_(rows, non_blocking=True)

    def settle(self) -> list[Diverged | None]:
        """Waits, gives every trainer its lane's state, and says which lanes diverged, and how."""
        if self._stream is not None:
            self._stream.synchronize()
        died, values = self._died.tolist(), self._terms.tolist()
        found: list[Diverged | None] = []
        for lane, trainer in enumerate(self.trainers):
            trainer.step_index = self._step_index if died[lane] < 0 else died[lane]
            self._give(lane, trainer)
            terms = [torch.tensor(row[lane]) for row in values]
            named = zip(self._names, terms, strict=True)
            found.append(None if died[lane] < 0 else self._diverged(died[lane], dict(named)))
        return found

    @torch.no_grad()
    def _give(self, lane: int, trainer: Trainer) -> None:
        step = self._steps[lane]
        state = self._structure.filled([tensor[lane].clone() for tensor in self._tensors])
        named = dict(step.module.named_parameters())
        for name, value in step.layout.split(state.flats).items():
            named[name].copy_(value)
        for name, buffer in step.buffers().items():
            buffer.copy_(state.buffers[name])
        order = [phase for phase, _ in step.turns]
        for phase, optimizer in trainer.optimizers.items():
            count = trainer.step_index * order.count(phase)
            write_memory(step, phase, optimizer, state.slots[phase], count)

    def _diverged(self, index: int, terms: dict[tuple[int, str], Tensor]) -> Diverged:
        for turn, (phase, _) in enumerate(self._steps[0].turns):
            own = {name: term for (at, name), term in terms.items() if at == turn}
            if not own["loss"].isfinite():
                return Diverged.of(phase, own, index)
        raise AssertionError("a lane died with finite losses")


class _Lane:
    """A step as a function of a flat list of tensors: (*state, numbers, seeds, *xs) -> [whether
    every loss is finite, *terms, *state]; `names`: turn and name of each of these terms."""

    def __init__(self, step: Step, state: State) -> None:
        self.step = step
        self._state = state
        self.names: list[tuple[int, str]] = []

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        length = len(self._state.tensors())
        numbers, seeds, *xs = tensors[length:]
        new, turns, fine = self.step(self._state.filled(tensors[:length]), numbers, xs, seeds)
        self.names = [(i, name) for i, terms in enumerate(turns) for name in terms]
        return [fine, *(term for terms in turns for term in terms.values()), *new.tensors()]


def run_together(ensembles: Sequence[Ensemble], steps: int) -> None:
    """`steps` more steps of each: their streams run side by side, the host feeds them in turn."""
    for done in range(0, steps, CHUNK):
        for ensemble in ensembles:
            ensemble.run(min(CHUNK, steps - done))
