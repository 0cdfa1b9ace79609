"""The training steps of several lanes as one function: traced for one lane, mapped over all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx
from torch.func import functionalize, vmap

from genbench import ops
from genbench.data.seeded import SeededStream
from genbench.errors import InputError
from genbench.train.compiled import row_of
from genbench.train.graphs import Function, Untraceable, draws, graph_key, trace
from genbench.train.step import State, Step

Names = list[tuple[int, str]]  # turn and name of each term


class Lane:
    """A step that draws its batches itself, as a function of a flat list of tensors.

    (*state, numbers, seeds, batch_seeds, *tensors of the source) -> [whether every loss is finite,
    *terms, *state]; `names`: of these terms, once it has run.
    """

    def __init__(self, step: Step, state: State, batches: SeededStream) -> None:
        self.step, self.state, self.batches = step, state, batches
        self.names: Names = []

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        length = len(self.state.tensors())
        numbers, seeds, batch_seeds, *source = tensors[length:]
        xs = [self.batches.draw(seed, source) for seed in batch_seeds.unbind()]
        new, turns, fine = self.step(self.state.filled(tensors[:length]), numbers, xs, seeds)
        self.names = [(i, name) for i, terms in enumerate(turns) for name in terms]
        return [fine, *(term for terms in turns for term in terms.values()), *new.tensors()]

    def example(self) -> list[Tensor]:
        """Arguments like those of every step."""
        source, turns = self.batches.tensors, len(self.step.turns)
        device = self.state.tensors()[0].device
        # tracing takes one tensor given twice for one input
        seeds, batch_seeds = torch.arange(2 * turns, device=device).view(2, turns, 1).unbind()
        numbers = row_of(self.step, 0, 1, device)
        return [*self.state.tensors(), numbers, seeds, batch_seeds, *source]

    def alike(self) -> tuple[object, ...]:
        """Equal for lanes of one structure: what can be told without tracing a step."""
        stream, tensors = self.batches, [*self.state.tensors(), *self.batches.source.tensors]
        source = (type(stream.source), stream.source.shared, stream.batch_size, stream.scale)
        shapes = [(tensor.shape, tensor.dtype) for tensor in tensors]
        return self.step.specs, self.step.turns, list(self.state.buffers), source, shapes


def stacked(lanes: Sequence[Lane]) -> tuple[Function, Names]:
    """The function of `Lane` for a first dimension of every tensor but `numbers`, and but the
    source's where all share them; and the terms' names.

    Raises InputError for lanes that differ in structure, Untraceable for steps that differ in more
    than the values of their tensors, or that have no rule.
    """
    first, structure = lanes[0], lanes[0].alike()
    if any(lane.alike() != structure for lane in lanes[1:]):
        raise InputError("trainers must differ in seeds alone: their steps are not the same")
    with ops.backend("reference"):  # plain operations, which vmap takes apart
        graph = trace(first, first.example())
        # A constant that hangs on the seed, or a counter, differs between any two lanes.
        again = lanes[1] if len(lanes) > 1 else first
        other = trace(again, again.example())
    if graph_key(graph) != graph_key(other):
        raise Untraceable(
            "the step cannot be stacked: traced twice it is not the same; trainers must differ in "
            "seeds alone, and a loss may draw from batch.seed alone and keep nothing"
        )
    if draws(graph):
        raise Untraceable(
            "the step cannot be stacked: it draws from torch's own generator, not batch.seed"
        )
    # what works in place, or into `out`, has no rule of vmap
    plain = _reshaping(trace(functionalize(graph), first.example()))
    length = len(first.state.tensors())
    source = [None if first.batches.source.shared else 0] * len(first.batches.tensors)
    return vmap(plain, in_dims=(*[0] * length, None, 0, 0, *source)), first.names


def _reshaping(graph: fx.GraphModule) -> fx.GraphModule:
    """The graph with reshapes for its views: what was contiguous for one lane, such as a packed
    image, need not be for many."""
    aten = torch.ops.aten
    for node in graph.graph.nodes:
        if node.target in (aten.view.default, aten._unsafe_view.default):
            node.target = aten.reshape.default
    graph.recompile()
    return graph
