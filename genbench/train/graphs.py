"""Functions of tensors as compiled graphs: traced by make_fx, shared where they are equal.

Compiling takes far longer than tracing, so a graph is traced anew for every model and compiled only
if this process has not compiled an equal one. Equal means every operation with every constant, so
two models that differ in anything that a step holds never share.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from genbench.errors import InputError

_RULE = "the step cannot be traced: it must not read a tensor's contents, nor use its own tensors"
_ITEM = torch.ops.aten._local_scalar_dense.default
# One C++ program with its headers compiled beforehand, in place of Python that calls 18 libraries:
# 3.2 against 4.0 ms a step of 3x128 MLPs, 16 against 24 s to compile, 2.7 against 7 from disk.
_CPU_OPTIONS = ("cpp_wrapper", "cpp_wrapper_build_separate")
Function = Callable[..., Sequence[Tensor]]
_compiled: dict[str, Function] = {}


class Untraceable(InputError):
    """What a function does cannot be written down as a graph of tensor operations."""


def compiler_found() -> bool:
    """Whether torch can compile for the CPU here: a C++ compiler (CXX, else g++), Python.h."""
    command = (os.environ.get("CXX") or "g++").split() or [""]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return shutil.which(command[0]) is not None and header.is_file()


@torch.no_grad()
def trace(function: Function, tensors: Sequence[Tensor]) -> fx.GraphModule:
    """The graph of `function(*tensors)`; contents are never read, so that none becomes a constant.

    Raises Untraceable for one that reads them (`.item()`, `.numpy()`, a branch on a value), or that
    uses tensors which are neither among `tensors` nor made inside.
    """
    try:
        graph = make_fx(function, tracing_mode="fake")(*tensors)
    except InputError:
        raise
    except Exception as error:  # whatever a user's function meets when its tensors hold nothing
        first = " ".join(str(error).split("\n\n")[0].split())
        raise Untraceable(f"{_RULE}; {type(error).__name__}: {first[:200]}") from error
    if any(node.target is _ITEM for node in graph.graph.nodes):
        raise Untraceable(f"{_RULE}; it calls .item() or its like")
    return graph


def compile_graph(graph: fx.GraphModule, tensors: Sequence[Tensor]) -> Function:
    """The graph as one compiled function of tensors like these; an equal one is compiled once."""
    key = graph_key(graph)
    if key not in _compiled:
        import torch._inductor as inductor  # a second to import

        on_cpu = all(tensor.is_cpu for tensor in tensors)
        known = inductor.list_options()
        options = {name: True for name in _CPU_OPTIONS if on_cpu and name in known}
        _compiled[key] = cast(Function, inductor.compile(graph, list(tensors), options=options))
    return _compiled[key]


def graph_key(graph: fx.GraphModule) -> str:
    """Equal for graphs whose compiled code is the same: operations, constants, inputs, threads."""
    lines = [f"threads {torch.get_num_threads()}", *map(repr, _lines(graph))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _lines(graph: fx.GraphModule) -> Iterator[object]:
    for node in graph.graph.nodes:
        kwargs = sorted(node.kwargs.items())
        yield node.name, node.op, str(node.target), repr(node.args), repr(kwargs), *_about(node)
        if node.op == "get_attr":
            constant = getattr(graph, str(node.target))
            yield _bytes(constant) if isinstance(constant, Tensor) else repr(constant)


def _about(node: fx.Node) -> tuple:
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return ()
    return tuple(value.shape), value.stride(), str(value.dtype), str(value.device)


def _bytes(constant: Tensor) -> tuple:
    data = constant.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(data.numpy().tobytes()).hexdigest(), str(constant.dtype)


def draws(graph: fx.GraphModule) -> bool:
    """Whether it draws from torch's own generators, as torch.nn.Dropout does."""
    seeded = torch.Tag.nondeterministic_seeded
    return any(seeded in getattr(node.target, "tags", ()) for node in graph.graph.nodes)
