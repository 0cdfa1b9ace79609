"""An optimiser's memory between torch's optimisers, tensor by tensor, and a step's flat tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from genbench.protocol import Batch
from genbench.train.rules import Slots
from genbench.train.step import State, Step, Tensors


def read_memory(step: Step, phase: str, optimizer: torch.optim.Optimizer) -> list[Slots]:
    """Flat copies of what `optimizer` holds for each block of `phase`; zeros before an update."""
    named = dict(step.module.named_parameters())
    rows = []
    for i in step.layout.of(phase):
        block, row = step.layout.blocks[i], {}
        for slot in step.rules[phase].slots:
            held = {
                name: optimizer.state[named[name]].get(slot, torch.zeros_like(named[name]))
                for name in block.names
            }
            row[slot] = block.join(held).detach()
        rows.append(row)
    return rows


def write_memory(
    step: Step, phase: str, optimizer: torch.optim.Optimizer, rows: Sequence[Slots], count: int
) -> None:
    """Gives `optimizer` views of the flat `rows` as its memory after `count` updates."""
    named = dict(step.module.named_parameters())
    optimizer.state.clear()
    if count == 0 and step.specs[phase].name != "adagrad":  # torch's has its memory from the start
        return
    for i, row in zip(step.layout.of(phase), rows, strict=True):
        block = step.layout.blocks[i]
        views = {slot: block.split(flat) for slot, flat in row.items()}
        for name in block.names:
            held: Slots = {}
            if step.specs[phase].name != "sgd":  # torch's SGD counts nothing
                held["step"] = torch.tensor(float(count))
            held |= {slot: view[name] for slot, view in views.items()}
            if held:
                optimizer.state[named[name]] = held


def unrolled_terms(
    step: Step,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    phase: str,
    ahead: tuple[str, int],
    numbers: Sequence[float],
) -> Tensors:
    """The loss of `phase` after `ahead`, with a graph to the model's own parameters.

    optimizer: of the phase that is looked ahead. numbers: what its updates are made with.
    """
    named = dict(step.module.named_parameters())
    flats = [block.join(named) for block in step.layout.blocks]
    buffers = step.buffers()
    state = State(flats, {ahead[0]: read_memory(step, ahead[0], optimizer)}, buffers)
    flats = step.look_ahead(state, batch, ahead, iter(numbers))
    terms, after = step.loss(flats, buffers, batch, phase)
    for name, buffer in buffers.items():
        if after[name] is not buffer:  # assigned, not changed in place
            buffer.copy_(after[name])
    return terms
