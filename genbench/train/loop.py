"""The training loop: the only place that calls an optimiser, for every model of the suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from genbench.protocol import Batch, Examples, Model
from genbench.train.compiled import CompiledStep
from genbench.train.diverged import Diverged, not_finite
from genbench.train.ema import Ema
from genbench.train.memory import unrolled_terms
from genbench.train.optimizers import make_optimizer, rate_of, set_learning_rate
from genbench.train.options import Options
from genbench.train.seeding import global_seed
from genbench.train.step import Step

__all__ = ["Batches", "Diverged", "Trainer", "global_seed"]


class Batches(Protocol):
    """Endless batches, x (n, *data_shape) alone or with labels, whose position can be saved."""

    def __next__(self) -> Tensor | Examples: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Trainer:
    """Trains `model` for `steps` steps; a step runs every phase once, each on a fresh batch.

    The state decides all that follows: a trainer restored from `state_dict` computes the same
    numbers as one that was never stopped. `seed` drives the losses' noise; weights and batches
    bring their own. options.compiled: the whole step as one graph, where every batch has the shape
    of the first; it computes what the eager step does, up to rounding, from the same batches and
    seeds, and each loads the other's state. Raises Untraceable for a model that cannot be compiled.
    """

    def __init__(
        self,
        model: Model,
        batches: Batches,
        *,
        steps: int,
        seed: int,
        compiled: bool = False,
        options: Options | None = None,
    ) -> None:
        self.model = model
        self.batches = batches
        self.steps = steps
        self.step_index = 0
        self.options = options = options or Options(compiled=compiled)
        self._rng = torch.Generator().manual_seed(seed)
        self._specs = {phase: options.spec(model.optimizer(phase)) for phase in model.phases}
        self.optimizers = {
            phase: make_optimizer(spec, model.phase_parameters(phase))
            for phase, spec in self._specs.items()
        }
        self._ahead = getattr(model, "lookahead", None) or {}
        self._device = next(iter(model.phase_parameters(model.phases[0]))).device.type
        self._scaler = options.scaler(self._device)
        self._compiled = self._formulas = None
        if options.compiled:
            self._compiled = CompiledStep(model, self.optimizers, self.peek(), options)
        elif self._ahead:
            self._formulas = Step(model, options)
        self.ema = None if options.ema is None else Ema(cast(nn.Module, model), options.ema)

    def step(self) -> dict[str, Tensor]:
        """One step; returns the terms of each phase's last update as "phase/term", 0-d tensors.

        Raises Diverged before the update when a loss is not finite.
        """
        turns = self._eager_turns() if self._compiled is None else self._compiled_turns()
        self.step_index += 1
        if self.ema is not None:
            self.ema.update()
        return {
            f"{phase}/{name}": term
            for phase, terms in zip(self.model.phases, turns, strict=True)
            for name, term in terms.items()
        }

    @contextmanager
    def evaluated(self) -> Iterator[Model]:
        """The model in evaluation mode, with its averaged weights where they are kept."""
        self.model.eval()
        try:
            with nullcontext() if self.ema is None else self.ema.applied():
                yield self.model
        finally:
            self.model.train()

    def _eager_turns(self) -> list[dict[str, Tensor]]:
        return [self._eager_turn(turn, phase) for turn, phase in enumerate(self.model.phases)]

    def _eager_turn(self, turn: int, phase: str) -> dict[str, Tensor]:
        """The mean terms of a turn's batches, whose mean gradient has moved the weights."""
        optimizer, parameters = self.optimizers[phase], list(self.model.phase_parameters(phase))
        optimizer.zero_grad(set_to_none=True)
        count = self.options.accumulate
        parts = []
        for _ in range(count):
            terms = self._eager_terms(turn, phase)
            # inputs=: no gradient leaks into the other player
            loss = terms["loss"] / count if count > 1 else terms["loss"]
            self._scaler.scale(loss).backward(inputs=parameters)
            parts.append({name: term.detach() for name, term in terms.items()})
        set_learning_rate(optimizer, rate_of(self._specs[phase], self.step_index, self.steps))
        if self.options.clip is not None:
            self._scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(parameters, self.options.clip)
        self._scaler.step(optimizer)
        self._scaler.update()
        self.model.after_update(phase)
        if count == 1:
            return parts[0]
        return {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}

    def _eager_terms(self, turn: int, phase: str) -> dict[str, Tensor]:
        """The terms of one batch, with their graph."""
        given, seed = Examples.of(next(self.batches)), self.seeds(1)[0]
        done = self.step_index / self.steps
        batch = Batch(seed=seed.to(given.x.device), done=done, **given._asdict())
        # Dropout and its like draw from torch's global generator: give it the batch's seed.
        with global_seed(int(seed)), self.options.autocast(self._device):
            terms = self._terms(batch, turn, phase)
        if not terms["loss"].isfinite():
            raise self._diverged(phase, terms, given)
        return terms

    def _terms(self, batch: Batch, turn: int, phase: str) -> dict[str, Tensor]:
        ahead = self._ahead.get(phase)
        if ahead is None or self._formulas is None:
            return self.model.loss(batch, phase)
        numbers = self._formulas.numbers(self.step_index, self.steps)[turn]
        optimizer = self.optimizers[ahead[0]]
        return unrolled_terms(self._formulas, optimizer, batch, phase, ahead, numbers)

    def _compiled_turns(self) -> list[dict[str, Tensor]]:
        assert self._compiled is not None
        xs, seeds = self._draw()
        turns, fine = self._compiled(self.step_index, self.steps, xs, seeds.to(xs[0].x.device))
        if not fine:
            found = zip(self.model.phases, turns, xs, strict=True)
            raise self._diverged(*next(each for each in found if not each[1]["loss"].isfinite()))
        return turns

    def _diverged(self, phase: str, terms: Mapping[str, Tensor], given: Examples) -> Diverged:
        """The error for a loss that is not finite, with the first tensor that is not either."""
        named = {"batch.x": given.x, **self.model.state_dict()}
        return Diverged.of(phase, terms, self.step_index, tensor=not_finite(named))

    def _draw(self) -> tuple[list[Examples], Tensor]:
        """A batch for each turn of the next step, and their seeds, int64 (turns, 1) on the CPU."""
        xs = [Examples.of(next(self.batches)) for _ in self.model.phases]
        return xs, self.seeds(len(xs))

    def peek(self) -> Examples:
        """The next batch, which will come again."""
        before = self.batches.state_dict()
        found = Examples.of(next(self.batches))
        self.batches.load_state_dict(before)
        return found

    def seeds(self, count: int) -> Tensor:
        """int64 (count, 1) on the CPU: those of the next turns, which count as drawn; the same
        numbers at once as one after the other."""
        return torch.randint(2**63 - 1, (count, 1), generator=self._rng)

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimisers, batches, generator and step: everything that decides the rest."""
        if self._compiled is not None:
            self._compiled.publish(self.step_index)
        kept = {"ema": self.ema, "scaler": self._scaler if self._scaler.is_enabled() else None}
        return {
            "step": self.step_index,
            "model": self.model.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "batches": self.batches.state_dict(),
            "rng": self._rng.get_state(),
            **{name: part.state_dict() for name, part in kept.items() if part is not None},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, compiled or not."""
        self.model.load_state_dict(state["model"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self._compiled is not None:
            self._compiled.adopt()
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(state["scaler"])
        self.batches.load_state_dict(state["batches"])
        self._rng.set_state(state["rng"])
        self.step_index = state["step"]
