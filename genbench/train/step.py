"""One training step as a pure function of tensors: to trace, to compile, to stack, to unroll.

Unrolling: Metz et al. 2017, arXiv 1611.02163, section 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from genbench import ops
from genbench.protocol import Batch, Examples, Model
from genbench.train.layout import Layout
from genbench.train.optimizers import rate_of
from genbench.train.options import Options, clip_norm
from genbench.train.rules import Rule, Slots, make_rule

# Keys of the lookahead's seeds: a model folds small numbers into them, and keys add up.
AHEAD = 2**16

Tensors = dict[str, Tensor]
Ahead = tuple[str, int]  # phase, number of its updates


@dataclass
class State:
    """What a step changes. flats: a tensor for each block of the layout; slots: by phase, the
    optimiser's memory for each of its blocks; buffers: by name, those of the model and the
    parameters that no phase updates."""

    flats: list[Tensor]
    slots: dict[str, list[Slots]]
    buffers: Tensors

    def tensors(self) -> list[Tensor]:
        """All of them, in an order that depends on names alone."""
        memory = [slot for rows in self.slots.values() for row in rows for slot in row.values()]
        return [*self.flats, *memory, *self.buffers.values()]

    def filled(self, tensors: Sequence[Tensor]) -> State:
        """A state of the same structure with other tensors, ordered as `tensors()` is."""
        rest: Iterator[Tensor] = iter(tensors)
        return State(
            [next(rest) for _ in self.flats],
            {
                phase: [{name: next(rest) for name in row} for row in rows]
                for phase, rows in self.slots.items()
            },
            {name: next(rest) for name in self.buffers},
        )


class Step:
    """The training step of `model` as a function; the model's own tensors are left alone.

    `turns`: phase and lookahead, in the order of `model.phases`. Raises InputError for an optimiser
    without a formula.
    """

    def __init__(self, model: Model, options: Options | None = None) -> None:
        self.module = cast(nn.Module, model)
        self._doors = _Doors(self.module)
        self._options = options = options or Options()
        self.layout = Layout(model, self.module)
        self.specs = {phase: options.spec(model.optimizer(phase)) for phase in model.phases}
        self.rules: dict[str, Rule] = {p: make_rule(spec) for p, spec in self.specs.items()}
        ahead: Mapping[str, Ahead] = getattr(model, "lookahead", None) or {}
        self.turns = [(phase, ahead.get(phase)) for phase in model.phases]

    def start(self) -> State:
        """The state of a run that begins: copies of the model's tensors, empty memories."""
        named = dict(self.module.named_parameters())
        flats = [block.join(named).detach() for block in self.layout.blocks]
        slots = {
            phase: [
                {slot: torch.zeros_like(flats[i]) for slot in rule.slots}
                for i in self.layout.of(phase)
            ]
            for phase, rule in self.rules.items()
        }
        kept = {name: tensor.detach().clone() for name, tensor in self.buffers().items()}
        return State(flats, slots, kept)

    def buffers(self) -> Tensors:
        """The model's buffers, and its parameters that no phase updates."""
        named = dict(self.module.named_parameters())
        return dict(self.module.named_buffers()) | {name: named[name] for name in self.layout.fixed}

    def numbers(self, index: int, steps: int) -> list[list[float]]:
        """What each turn of step `index` of `steps` is made with, its lookahead's updates first."""
        rates = {phase: rate_of(spec, index, steps) for phase, spec in self.specs.items()}
        order = [phase for phase, _ in self.turns]
        made = {phase: index * order.count(phase) for phase in order}
        rows = []
        for phase, ahead in self.turns:
            other, count = ahead or (phase, 0)
            updates = [(other, made[other] + k + 1) for k in range(count)]
            made[phase] += 1
            updates.append((phase, made[phase]))
            rows.append([n for p, t in updates for n in self.rules[p].numbers(rates[p], t)])
        return rows

    def __call__(
        self, state: State, numbers: Tensor, xs: Sequence[Tensor | Examples], seeds: Tensor
    ) -> tuple[State, list[Tensors], Tensor]:
        """The state after one step, each turn's terms, and whether every loss is finite (bool, ()).

        numbers: the share that is over, then those of `numbers`, (k,) float64. xs: a batch
        (n, *data_shape), or examples, for each turn. seeds: int64 (turns, 1). From the first
        loss that is not finite on, nothing moves but buffers.
        """
        given = iter(numbers.unbind())
        done = next(given)
        buffers = {name: buffer.clone() for name, buffer in state.buffers.items()}
        state = State(list(state.flats), dict(state.slots), buffers)
        terms: list[Tensors] = []
        fine = torch.ones((), dtype=torch.bool, device=seeds.device)
        for (phase, ahead), x, seed in zip(self.turns, xs, seeds.unbind(), strict=True):
            batch = Batch(seed=seed, done=done, **Examples.of(x)._asdict())
            found, gradients = self._gradients(state, batch, phase, ahead, given)
            fine = fine & found["loss"].isfinite()
            self._update(state, phase, gradients, given, fine)
            terms.append({name: term.detach() for name, term in found.items()})
        return state, terms, fine

    def _gradients(
        self, state: State, batch: Batch, phase: str, ahead: Ahead | None, given: Iterator[Tensor]
    ) -> tuple[Tensors, Sequence[Tensor]]:
        """The terms of a turn and the gradients of its blocks; `state.buffers` move on."""
        own = self.layout.of(phase)
        flats = [flat.detach().requires_grad_(i in own) for i, flat in enumerate(state.flats)]
        leaves = [flats[i] for i in own]
        with torch.enable_grad():
            if ahead is not None:
                flats = self.look_ahead(replace(state, flats=flats), batch, ahead, given)
            with self._options.autocast(batch.x.device.type):
                terms, state.buffers = self.loss(flats, state.buffers, batch, phase)
            gradients = torch.autograd.grad(terms["loss"], leaves)
            clip = self._options.clip
            return terms, gradients if clip is None else clip_norm(gradients, clip)

    def look_ahead(
        self, state: State, batch: Batch, ahead: Ahead, given: Iterator[Any]
    ) -> list[Tensor]:
        """The blocks after `ahead`'s updates of another phase, differentiable by `state.flats`.

        Every update sees the same batch and latents of its own; what it does to buffers is lost.
        given: the numbers of those updates.
        """
        phase, count = ahead
        rule, own = self.rules[phase], self.layout.of(phase)
        flats, memory = list(state.flats), list(state.slots[phase])
        for i in own:  # no leaf of the turn, but its gradients make the updates
            flats[i] = flats[i].detach().requires_grad_()
        buffers = {name: buffer.clone() for name, buffer in state.buffers.items()}
        for k in range(count):
            seed = ops.fold_seed(batch.seed, AHEAD * (k + 1))
            inner = replace(batch, seed=seed, unrolled=True)
            terms, buffers = self.loss(flats, buffers, inner, phase)
            moved = [flats[i] for i in own]
            gradients = torch.autograd.grad(terms["loss"], moved, create_graph=True)
            numbers = [next(given) for _ in rule.numbers(0.0, 1)]
            for row, (i, g) in enumerate(zip(own, gradients, strict=True)):
                flats[i], memory[row] = rule.update(flats[i], g, memory[row], numbers)
        return flats

    def loss(
        self, flats: Sequence[Tensor], buffers: Tensors, batch: Batch, phase: str
    ) -> tuple[Tensors, Tensors]:
        """The terms of `phase` with these parameters, and the buffers that it leaves."""
        return self._doors.call(self.layout.split(flats), buffers, "loss", batch, phase)

    @torch.no_grad()
    def _update(
        self,
        state: State,
        phase: str,
        gradients: Sequence[Tensor],
        given: Iterator[Tensor],
        fine: Tensor,
    ) -> None:
        """Moves the blocks of a phase and does what follows, unless a loss was not finite."""
        rule, own, before = self.rules[phase], self.layout.of(phase), list(state.flats)
        numbers = [next(given) for _ in rule.numbers(0.0, 1)]
        rows = []
        for i, g, slots in zip(own, gradients, state.slots[phase], strict=True):
            state.flats[i], new = rule.update(state.flats[i], g, slots, numbers)
            rows.append({name: torch.where(fine, new[name], slots[name]) for name in slots})
        state.slots[phase] = rows
        named = self.layout.split(state.flats)  # views: what clips them in place clips the blocks
        _, state.buffers = self._doors.call(named, state.buffers, "after_update", phase)
        for i in own:
            state.flats[i] = torch.where(fine, state.flats[i], before[i])


class _Doors(nn.Module):
    """Ways into a model with other tensors than its own: functional_call knows forward alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def call(self, parameters: Tensors, buffers: Tensors, name: str, *arguments: Any) -> Any:
        """model.name(*arguments) with these tensors; its result, and the buffers it leaves."""
        tensors = {f"model.{key}": value for key, value in (parameters | buffers).items()}
        result, after = functional_call(self, tensors, (name, *arguments))
        return result, {key: after[key] for key in buffers}

    def forward(self, name: str, *arguments: Any) -> Any:
        result = getattr(self.model, name)(*arguments)
        return result, dict(self.model.named_buffers()) | dict(self.model.named_parameters())
