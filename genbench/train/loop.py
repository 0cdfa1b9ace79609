"""The training loop: the only place that calls an optimiser, for every model of the suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from genbench.protocol import Batch, Examples, Model
from genbench.train.compiled import CompiledStep
from genbench.train.memory import unrolled_terms
from genbench.train.optimizers import make_optimizer, set_learning_rate
from genbench.train.seeding import global_seed
from genbench.train.step import Step

__all__ = ["Batches", "Diverged", "Trainer", "global_seed"]


class Batches(Protocol):
    """Endless batches, x (n, *data_shape) alone or with labels, whose position can be saved."""

    def __next__(self) -> Tensor | Examples: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Diverged(RuntimeError):
    """A loss that is not finite; phase, term and step say which, where known."""

    def __init__(
        self,
        message: str,
        *,
        phase: str | None = None,
        term: str | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(message)
        self.phase, self.term, self.step = phase, term, step

    @classmethod
    def of(cls, phase: str, terms: Mapping[str, Tensor], step: int) -> Diverged:
        """For the terms of a phase whose "loss" is not finite."""
        values = ", ".join(f"{name} = {term.item():g}" for name, term in terms.items())
        # the sum is not finite because a part is not
        parts = [name for name, term in terms.items() if not term.isfinite() and name != "loss"]
        return cls(
            f"{phase} loss is not finite at step {step}: {values}",
            phase=phase,
            term=parts[0] if parts else "loss",
            step=step,
        )


class Trainer:
    """Trains `model` for `steps` steps; a step runs every phase once, each on a fresh batch.

    The state decides all that follows: a trainer restored from `state_dict` computes the same
    numbers as one that was never stopped. `seed` drives the losses' noise; weights and batches
    bring their own. compiled: the whole step as one graph, where every batch has the shape of the
    first; it computes what the eager step does, up to rounding, from the same batches and seeds,
    and each loads the other's state. Raises Untraceable for a model that cannot be compiled.
    """

    def __init__(
        self, model: Model, batches: Batches, *, steps: int, seed: int, compiled: bool = False
    ) -> None:
        self.model = model
        self.batches = batches
        self.steps = steps
        self.step_index = 0
        self._rng = torch.Generator().manual_seed(seed)
        self._specs = {phase: model.optimizer(phase) for phase in model.phases}
        self.optimizers = {
            phase: make_optimizer(spec, model.phase_parameters(phase))
            for phase, spec in self._specs.items()
        }
        self._ahead = getattr(model, "lookahead", None) or {}
        self._compiled = CompiledStep(model, self.optimizers, self.peek()) if compiled else None
        self._formulas = Step(model) if self._ahead and not compiled else None

    def step(self) -> dict[str, Tensor]:
        """One step; returns the terms of each phase's last update as "phase/term", 0-d tensors.

        Raises Diverged before the update when a loss is not finite.
        """
        turns = self._eager_turns() if self._compiled is None else self._compiled_turns()
        self.step_index += 1
        return {
            f"{phase}/{name}": term
            for phase, terms in zip(self.model.phases, turns, strict=True)
            for name, term in terms.items()
        }

    def _eager_turns(self) -> list[dict[str, Tensor]]:
        return [self._eager_turn(turn, phase) for turn, phase in enumerate(self.model.phases)]

    def _eager_turn(self, turn: int, phase: str) -> dict[str, Tensor]:
        given, seed = Examples.of(next(self.batches)), self.seeds(1)[0]
        done = self.step_index / self.steps
        batch = Batch(seed=seed.to(given.x.device), done=done, **given._asdict())
        # Dropout and its like draw from torch's global generator: give it the batch's seed.
        with global_seed(int(seed)):
            terms = self._terms(batch, turn, phase)
        if not terms["loss"].isfinite():
            raise Diverged.of(phase, terms, self.step_index)
        optimizer = self.optimizers[phase]
        set_learning_rate(optimizer, self._specs[phase], done)
        optimizer.zero_grad(set_to_none=True)
        # inputs=: no gradient leaks into the other player
        terms["loss"].backward(inputs=list(self.model.phase_parameters(phase)))
        optimizer.step()
        self.model.after_update(phase)
        return {name: term.detach() for name, term in terms.items()}

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
            found = zip(self.model.phases, turns, strict=True)
            phase, terms = next((p, t) for p, t in found if not t["loss"].isfinite())
            raise Diverged.of(phase, terms, self.step_index)
        return turns

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
        return {
            "step": self.step_index,
            "model": self.model.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "batches": self.batches.state_dict(),
            "rng": self._rng.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, compiled or not."""
        self.model.load_state_dict(state["model"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self._compiled is not None:
            self._compiled.adopt()
        self.batches.load_state_dict(state["batches"])
        self._rng.set_state(state["rng"])
        self.step_index = state["step"]
