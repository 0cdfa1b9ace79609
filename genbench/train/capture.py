"""A function of tensors that stay where they are, as a CUDA graph: one launch a call."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.train.graphs import Function

WARM_UP = 3  # calls before a capture: libraries allocate their workspaces


class Captured:
    """Calls `function(*state, *inputs)`, which overwrites `state` and returns tensors.

    Inputs are copied to where the graph reads them; what a call returns is overwritten by the next.
    Raises InputError where the state is not on a CUDA device.
    """

    def __init__(
        self, function: Function, state: Sequence[Tensor], inputs: Sequence[Tensor]
    ) -> None:
        device = state[0].device
        if device.type != "cuda":
            raise InputError(f"captured: a CUDA graph needs a CUDA device, got {device.type}")
        self._inputs = [tensor.to(device, copy=True) for tensor in inputs]
        before = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                function(*state, *self._inputs)
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = list(function(*state, *self._inputs))
        for tensor, old in zip(state, before, strict=True):
            tensor.copy_(old)

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """What the function returns for these inputs."""
        for place, tensor in zip(self._inputs, inputs, strict=True):
            place.copy_(tensor, non_blocking=True)
        self._graph.replay()
        return self._outputs
