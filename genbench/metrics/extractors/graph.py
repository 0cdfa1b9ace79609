"""Runs the graph of an exported program, node by node, with known operators alone."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.extractors.archive import DTYPES, NotPlain, Program

# What networks for pictures are exported to: functions of tensors that read and write nothing else.
# A trailing _ is the same in place.
_ATEN = """
conv1d conv2d conv3d conv_transpose2d convolution linear addmm mm bmm matmul baddbmm einsum
relu relu_ relu6 relu6_ leaky_relu leaky_relu_ elu elu_ celu selu selu_ gelu silu silu_ mish
mish_ prelu glu sigmoid sigmoid_ tanh tanh_ hardtanh hardtanh_ hardswish hardswish_ hardsigmoid
hardsigmoid_ softplus softmax log_softmax _softmax _log_softmax logsumexp
batch_norm _native_batch_norm_legit_no_training layer_norm native_layer_norm group_norm
native_group_norm instance_norm rms_norm norm linalg_vector_norm dropout dropout_
feature_dropout
max_pool1d max_pool2d max_pool2d_with_indices avg_pool1d avg_pool2d adaptive_avg_pool1d
adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d scaled_dot_product_attention
upsample_nearest2d upsample_bilinear2d upsample_bicubic2d _upsample_bilinear2d_aa
view view_as reshape flatten unflatten permute transpose t squeeze unsqueeze expand expand_as
cat stack chunk split split_with_sizes unbind select slice narrow movedim flip roll repeat
repeat_interleave pad constant_pad_nd reflection_pad2d replication_pad2d pixel_shuffle
pixel_unshuffle clone copy contiguous alias detach detach_ to _to_copy type_as lift_fresh_copy
as_strided index index_select gather embedding tril triu
fill_ masked_fill_ add add_ sub sub_ rsub mul mul_ div div_ floor_divide fmod remainder pow sqrt
rsqrt exp log abs neg square reciprocal clamp clamp_ clamp_min clamp_max maximum minimum addcmul
addcdiv round floor ceil
sin cos erf cumsum sum mean amax amin max min var std argmax
eq ne gt ge lt le any all logical_and logical_or logical_not where masked_fill
zeros ones full arange zeros_like ones_like full_like new_zeros new_ones new_full scalar_tensor
sym_size sym_numel _assert_scalar _assert_tensor_metadata
"""
_NUMBERS = "add sub mul floordiv truediv mod neg eq ne lt le gt ge and_ or_ not_"  # of the batch
_FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 4: torch.preserve_format}
_TRAINING = {"batch_norm": "training", "dropout": "train", "feature_dropout": "train"}
_STRIDED, _KEYWORD = 7, 2  # of the archive's enumerations
_PLAIN = ("as_int", "as_ints", "as_bool", "as_bools", "as_string")


class Graph:
    """A program as a function: (B, C, H, W) -> one tensor, or several."""

    def __init__(self, program: Program, *, device: torch.device) -> None:
        self.program, self.device = program, device
        self.tensors = {name: x.to(device) for name, x in program.tensors.items()}
        self.operators = [_operator(node["target"]) for node in program.nodes]
        for node in program.nodes:
            _check_evaluation_mode(node)

    def __call__(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        values: dict[str, Any] = {**self.tensors, self.program.input_name: images}
        for node, function in zip(self.program.nodes, self.operators, strict=True):
            positional, named = [], {}
            for entry in node["inputs"]:
                value = self._value(entry["arg"], values)
                if entry["kind"] == _KEYWORD:
                    named[entry["name"]] = value
                else:
                    positional.append(value)
            _store(node["outputs"], function(*positional, **named), values)
        found = tuple(values[name] for name in self.program.outputs)
        return found[0] if len(found) == 1 else found

    def _value(self, argument: dict[str, Any], values: dict[str, Any]) -> Any:
        """One argument: a tensor or number that was computed, or what the archive says."""
        ((kind, content),) = argument.items()
        if kind in _PLAIN:
            return content
        if kind == "as_float":
            return float(content)  # JSON has no infinity: "-Infinity" is a string there
        if kind == "as_floats":
            return [float(entry) for entry in content]
        if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
            return _named(content, values)
        if kind in ("as_tensors", "as_sym_ints", "as_sym_floats"):
            return [_named(entry, values) for entry in content]
        if kind == "as_optional_tensors":
            return [_named(entry.get("as_tensor"), values) for entry in content]
        if kind == "as_none":
            return None
        if kind == "as_scalar_type" and content in DTYPES:
            return DTYPES[content]
        if kind == "as_memory_format" and content in _FORMATS:
            return _FORMATS[content]
        if kind == "as_layout" and content == _STRIDED:
            return torch.strided
        if kind == "as_device":
            return self.device  # wherever the network was exported
        raise NotPlain(f"a node takes {kind} {content!r}"[:200])


def _operator(target: str) -> Callable[..., Any]:
    """The function that a node calls, if it is one of those known to compute and do no more."""
    name = target.removeprefix("torch.ops.aten.")
    base, _, overload = name.partition(".")
    if name != target and overload and base in _ATEN.split():
        found = getattr(getattr(torch.ops.aten, base, None), overload, None)
        if isinstance(found, torch._ops.OpOverload):
            return found
    name = target.removeprefix("_operator.")
    if name != target and name in _NUMBERS.split():
        return getattr(operator, name)
    raise NotPlain(f"it calls '{target[:100]}'")


def _check_evaluation_mode(node: dict[str, Any]) -> None:
    """Refuses features that depend on the rest of the batch, or on chance."""
    base = node["target"].removeprefix("torch.ops.aten.").partition(".")[0].rstrip("_")
    for entry in node["inputs"]:
        if entry["name"] == _TRAINING.get(base) and entry["arg"].get("as_bool"):
            raise InputError(
                f"features: the program's {base} is in training mode; call .eval() before exporting"
            )


def _named(content: dict[str, Any] | None, values: dict[str, Any]) -> Any:
    """A value by its name, or the number that stands in its place."""
    if content is None:
        return None
    ((kind, key),) = content.items()
    return values[key] if kind in ("name", "as_name") else key


def _store(outputs: list[dict[str, Any]], result: Any, values: dict[str, Any]) -> None:
    """Files results under the names that later nodes know them by."""
    if len(outputs) == 0:  # a check that passed
        return
    if len(outputs) == 1 and "as_tensors" in outputs[0]:
        names = outputs[0]["as_tensors"]
    else:
        names = [next(iter(output.values())) for output in outputs]
        result = result if len(names) > 1 else [result]
    for name, value in zip(names, result, strict=True):
        if isinstance(name, dict):  # not where the output is None
            values[next(iter(name.values()))] = value
