"""A model's parameters as a few flat tensors: one for those that the same phases update.

An update of one tensor is one kernel, where one of eighteen tensors is eighteen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genbench.protocol import Model

ALIGNED = 16  # elements: each parameter starts on a cache line of float32


@dataclass(frozen=True)
class Block:
    """Parameters of one dtype that the phases `owners` update, one after the other."""

    owners: frozenset[str]
    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]

    @property
    def sizes(self) -> list[int]:
        """Elements of each parameter, and of the gap behind it: 2 a parameter."""
        counts = [math.prod(shape) for shape in self.shapes]
        return [size for count in counts for size in (count, -count % ALIGNED)]

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of `flat` (sum of sizes,) by name; their gradients come back as one flat tensor."""
        pieces = flat.split(self.sizes)[::2]
        named = zip(self.names, pieces, self.shapes, strict=True)
        return {name: piece.view(shape) for name, piece, shape in named}

    def join(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The flat tensor (sum of sizes,) of tensors by name; gaps hold zeros."""
        pieces: list[Tensor] = []
        for name, gap in zip(self.names, self.sizes[1::2], strict=True):
            piece = tensors[name].reshape(-1)
            pieces += [piece, piece.new_zeros(gap)] if gap else [piece]
        return torch.cat(pieces)


class Layout:
    """Which parameters lie in which block, and which phase owns which blocks.

    `blocks`: of every parameter that some phase updates. `fixed`: names of the others.
    """

    def __init__(self, model: Model, module: nn.Module) -> None:
        named = dict(module.named_parameters())
        names = {id(parameter): name for name, parameter in named.items()}
        owners: dict[str, set[str]] = {}
        for phase in dict.fromkeys(model.phases):
            for parameter in model.phase_parameters(phase):
                owners.setdefault(names[id(parameter)], set()).add(phase)
        groups: dict[tuple[frozenset[str], torch.dtype], list[str]] = {}
        for name, phases in owners.items():
            groups.setdefault((frozenset(phases), named[name].dtype), []).append(name)
        self.blocks = [
            Block(phases, tuple(members), tuple(named[name].shape for name in members))
            for (phases, _), members in groups.items()
        ]
        self.fixed = [name for name in named if name not in owners]

    def of(self, phase: str) -> list[int]:
        """Numbers of the blocks that `phase` updates."""
        return [i for i, block in enumerate(self.blocks) if phase in block.owners]

    def split(self, flats: Sequence[Tensor]) -> dict[str, Tensor]:
        """Every parameter by name, as views of the blocks' flat tensors."""
        parts = zip(self.blocks, flats, strict=True)
        return {name: view for block, flat in parts for name, view in block.split(flat).items()}

    def join(self, tensors: Mapping[str, Tensor], numbers: Iterable[int]) -> list[Tensor]:
        """Flat tensors of the blocks `numbers`."""
        return [self.blocks[i].join(tensors) for i in numbers]
