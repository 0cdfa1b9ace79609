"""The training loop: the only place that calls an optimiser, for every model of the suite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from genbench.protocol import Batch, Model
from genbench.train.optimizers import make_optimizer, set_learning_rate


class Batches(Protocol):
    """Endless batches (n, *data_shape) whose position can be saved."""

    def __next__(self) -> Tensor: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Diverged(RuntimeError):
    """A loss that is not finite: names phase, term and step."""


class Trainer:
    """Trains `model` for `steps` steps; a step runs every phase once, each on a fresh batch.

    The state decides all that follows: a trainer restored from `state_dict` computes the same
    numbers as one that was never stopped. `seed` drives the losses' noise; weights and batches
    bring their own.
    """

    def __init__(self, model: Model, batches: Batches, *, steps: int, seed: int) -> None:
        self.model = model
        self.batches = batches
        self.steps = steps
        self.step_index = 0
        self._rng = torch.Generator().manual_seed(seed)
        self._specs = {phase: model.optimizer(phase) for phase in model.phases}
        self._optimizers = {
            phase: make_optimizer(spec, model.phase_parameters(phase))
            for phase, spec in self._specs.items()
        }

    def step(self) -> dict[str, Tensor]:
        """One step; returns the terms of each phase's last update as "phase/term", 0-d tensors.

        Raises Diverged before the update when a loss is not finite.
        """
        logged: dict[str, Tensor] = {}
        for phase in self.model.phases:
            batch, seed = self._next_batch()
            # Dropout and its like draw from torch's global generator: give it the batch's seed.
            with global_seed(seed):
                terms = self.model.loss(batch, phase)
            if not terms["loss"].isfinite():
                raise Diverged(self._describe(phase, terms))
            optimizer = self._optimizers[phase]
            set_learning_rate(optimizer, self._specs[phase], self.step_index / self.steps)
            optimizer.zero_grad(set_to_none=True)
            # inputs=: no gradient leaks into the other player
            terms["loss"].backward(inputs=list(self.model.phase_parameters(phase)))
            optimizer.step()
            self.model.after_update(phase)
            logged.update({f"{phase}/{name}": term.detach() for name, term in terms.items()})
        self.step_index += 1
        return logged

    def _next_batch(self) -> tuple[Batch, int]:
        x = next(self.batches)
        seed = torch.randint(2**63 - 1, (1,), generator=self._rng)
        done = self.step_index / self.steps
        return Batch(x=x, seed=seed.to(x.device), done=done), int(seed)

    def _describe(self, phase: str, terms: dict[str, Tensor]) -> str:
        values = ", ".join(f"{name} = {term.item():g}" for name, term in terms.items())
        return f"{phase} loss is not finite at step {self.step_index}: {values}"

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimisers, batches, generator and step: everything that decides the rest."""
        return {
            "step": self.step_index,
            "model": self.model.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self._optimizers.items()},
            "batches": self.batches.state_dict(),
            "rng": self._rng.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.batches.load_state_dict(state["batches"])
        self._rng.set_state(state["rng"])
        self.step_index = state["step"]


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Inside, what draws from torch's global generator (initialisers, dropout) draws from `seed`;
    outside, that generator is untouched."""
    # torch.random.fork_rng does the same for every device in 100 us; two a step are a tenth of it
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)
