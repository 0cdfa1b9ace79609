"""Several seeds of one model as one stacked step: for a GPU, where small steps are all launches.

The step of one lane is traced to plain torch operations, noise and batches included, and mapped
over a first dimension of every tensor (torch.func.vmap). On CUDA it is captured as a CUDA graph on
a stream of its own: a step is one launch that reads its seeds and numbers from tables on the
device, so nothing waits for the host between evaluations. The CPU runs the same operations without
a graph; there compiled steps in two processes are faster. The CUDA part has run on no GPU yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from genbench.data.seeded import SeededStream
from genbench.errors import InputError
from genbench.train.diverged import Diverged, not_finite
from genbench.train.graphs import Function, compile_graph, trace
from genbench.train.loop import Trainer
from genbench.train.memory import read_memory, write_memory
from genbench.train.stacking import Lane, stacked
from genbench.train.step import State, Step

CHUNK = 64  # steps whose seeds lie on the device at once
WARM_UP = 3  # steps before a capture: libraries allocate their workspaces

__all__ = ["CHUNK", "Ensemble", "run_together"]


class Ensemble:
    """Trains `trainers`, one a lane, by one stacked step; they must not be compiled, draw from a
    SeededStream, and differ in seeds alone: weights, batches, noise.

    lanes: at least as many as trainers. places: each trainer's lane, else the first ones; the rest
    repeat the first trainer, so that a lane computes the same bits however many are real. compiled:
    the stacked step as one compiled graph, the same numbers up to rounding. Between `run` and
    `settle` the trainers' own state is old. Raises InputError for trainers that differ, Untraceable
    for a step that cannot be stacked.
    """

    def __init__(
        self,
        trainers: Sequence[Trainer],
        *,
        lanes: int | None = None,
        places: Sequence[int] | None = None,
        compiled: bool = False,
    ) -> None:
        self.trainers = list(trainers)
        self._who, self._places = _seats(len(self.trainers), lanes, places)
        first = self.trainers[0]
        if any((t.steps, t.step_index) != (first.steps, first.step_index) for t in self.trainers):
            raise InputError("trainers must be at the same step of runs of the same length")
        self._step_index = first.step_index
        self._lanes = [_lane(trainer) for trainer in self.trainers]
        self._step, self._structure = self._lanes[0].step, self._lanes[0].state
        self._function, self._names = stacked(self._lanes)
        self._device = self._structure.tensors()[0].device
        self._state = self._columns([lane.state.tensors() for lane in self._lanes])
        self._tables()
        for lane in self._lanes[1:]:
            lane.state = self._structure  # the stack holds their tensors now
        held = [*self._state, *self._counters]
        self._changed, self._given = held, [*held, *self._read]
        graph = trace(self._advance, self._given)
        self._call: Function = compile_graph(graph, self._given) if compiled else graph
        self._stream: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        if self._device.type == "cuda":
            self._capture()

    def _columns(self, rows: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """Stacks of each trainer's tensors, in the order of lanes."""
        return [torch.stack([column[i] for i in self._who]) for column in zip(*rows, strict=True)]

    def _tables(self) -> None:
        """What steps read on the device, and what they change besides the state."""
        step, first, device = self._step, self.trainers[0], self._device
        rows = [
            [index / first.steps, *(n for turn in step.numbers(index, first.steps) for n in turn)]
            for index in range(first.steps)
        ]
        numbers = torch.tensor(rows, dtype=torch.float64, device=device)
        lanes, turns, whole = len(self._who), len(step.turns), torch.int64
        # of losses, of batches
        self._seeds = torch.zeros(2, CHUNK, lanes, turns, 1, dtype=whole, device=device)
        streams = [lane.batches for lane in self._lanes]
        shared = streams[0].source.shared
        source = streams[0].tensors if shared else self._columns([s.tensors for s in streams])
        self._read = [numbers, self._seeds, *source]
        self._index = torch.full((1,), first.step_index, dtype=whole, device=device)
        self._slot = torch.zeros(1, dtype=whole, device=device)
        alive = torch.ones(lanes, dtype=torch.bool, device=device)
        self._died = torch.full((lanes,), -1, dtype=whole, device=device)  # the step that it was
        self._terms = torch.zeros(len(self._names), lanes, dtype=torch.float64, device=device)
        self._counters = [self._index, self._slot, alive, self._died, self._terms]

    def _advance(self, *given: Tensor) -> list[Tensor]:
        """One step of all lanes, on tensors that stay where they are. A lane whose loss is not
        finite stays as that step leaves it, and keeps that step's terms."""
        state, rest = given[: len(self._state)], given[len(self._state) :]
        index, slot, alive, died, terms, numbers, seeds, *source = rest
        own, drawn = seeds.index_select(1, slot)[:, 0].unbind()
        row = numbers.index_select(0, index)[0]
        fine, *values = self._function(*state, row, own, drawn, *source)
        found = torch.stack([value.double() for value in values[: len(self._names)]])
        terms.copy_(torch.where(alive, found, terms))
        died.copy_(torch.where(alive & ~fine, index, died))
        for old, fresh in zip(state, values[len(self._names) :], strict=True):
            moves = alive.view(-1, *[1] * (old.ndim - 1))
            old.copy_(torch.where(moves, fresh, old))
        alive.copy_(alive & fine)
        index.copy_(index + 1)
        slot.copy_(slot + 1)
        return [fine]

    @torch.no_grad()
    def _once(self) -> None:
        self._call(*self._given)

    def _capture(self) -> None:
        """Records a step, which warm-up steps precede; both leave the state as it was."""
        self._stream = stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            before = [tensor.clone() for tensor in self._changed]
            for _ in range(WARM_UP):
                self._once()
                self._index.copy_(before[len(self._state)])  # a short run has no fourth step
            self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream):
            self._once()
        with torch.cuda.stream(stream):
            for tensor, old in zip(self._changed, before, strict=True):
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
        """Draws the seeds of the next steps, in each trainer's own order, and copies them to the
        head of the table without waiting for the device."""
        turns = len(self._step.turns)
        drawn = [
            torch.stack([trainer.seeds(count * turns), lane.batches.seeds(count * turns)])
            for trainer, lane in zip(self.trainers, self._lanes, strict=True)
        ]
        rows = torch.stack([drawn[i].view(2, count, turns, 1) for i in self._who], dim=2)
        self._slot.zero_()
        if self._seeds.is_cuda:
            rows = rows.pin_memory()
        self._seeds[:, :count].copy_(rows, non_blocking=True)

    def settle(self) -> list[Diverged | None]:
        """Waits, gives every trainer its lane's state, and says which lanes diverged, and how."""
        with nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            died, values = self._died.tolist(), self._terms.tolist()  # wait for the stream
            found: list[Diverged | None] = []
            for lane, place, trainer in zip(self._lanes, self._places, self.trainers, strict=True):
                at = died[place]
                trainer.step_index = self._step_index if at < 0 else at
                self._give(lane.step, place, trainer)
                terms = [torch.tensor(row[place]) for row in values]
                named = dict(zip(self._names, terms, strict=True))
                found.append(None if at < 0 else self._diverged(at, named, trainer))
        if self._stream is not None:
            self._stream.synchronize()  # trainers are read on other streams
        return found

    @torch.no_grad()
    def _give(self, step: Step, place: int, trainer: Trainer) -> None:
        state = self._structure.filled([tensor[place].clone() for tensor in self._state])
        named = dict(step.module.named_parameters())
        for name, value in step.layout.split(state.flats).items():
            named[name].copy_(value)
        for name, buffer in step.buffers().items():
            buffer.copy_(state.buffers[name])
        order = [phase for phase, _ in step.turns]
        for phase, optimizer in trainer.optimizers.items():
            count = trainer.step_index * order.count(phase)
            write_memory(step, phase, optimizer, state.slots[phase], count)

    def _diverged(
        self, index: int, terms: dict[tuple[int, str], Tensor], trainer: Trainer
    ) -> Diverged:
        for turn, (phase, _) in enumerate(self._step.turns):
            own = {name: term for (at, name), term in terms.items() if at == turn}
            if not own["loss"].isfinite():
                return Diverged.of(phase, own, index, not_finite(trainer.model.state_dict()))
        raise AssertionError("a lane died with finite losses")


def _seats(
    count: int, lanes: int | None, places: Sequence[int] | None
) -> tuple[list[int], list[int]]:
    """Which trainer each lane holds, and each trainer's lane."""
    lanes = count if lanes is None else lanes
    if not 1 <= count <= lanes:
        raise InputError(f"lanes must be at least the {count} trainers, {lanes=}")
    places = list(range(count)) if places is None else list(places)
    if len(places) != count or len(set(places)) != count or not set(places) <= set(range(lanes)):
        raise InputError(f"places must be a lane below {lanes} for each trainer, got {places}")
    who = [0] * lanes
    for trainer, place in enumerate(places):
        who[place] = trainer
    return who, places


def _lane(trainer: Trainer) -> Lane:
    """The lane of a trainer, with a copy of its state."""
    if not isinstance(trainer.batches, SeededStream):
        raise InputError(
            f"batches: must be a SeededStream to be stacked, got {type(trainer.batches).__name__}"
        )
    step = Step(trainer.model)
    state: State = step.start()
    for phase in state.slots:
        state.slots[phase] = read_memory(step, phase, trainer.optimizers[phase])
    return Lane(step, state, trainer.batches)


def run_together(ensembles: Sequence[Ensemble], steps: int) -> None:
    """`steps` more steps of each: their streams run side by side, the host feeds them in turn."""
    for done in range(0, steps, CHUNK):
        for ensemble in ensembles:
            ensemble.run(min(CHUNK, steps - done))
