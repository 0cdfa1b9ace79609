"""Reads a program that torch.export.save wrote, as data alone.

torch.export.load (2.13) unpickles parts of the archive, hands its strings to sympy's `sympify`,
which evaluates them, and looks operators up by any dotted path: a file it opens can run any code.
Here JSON is parsed, tensors are taken from raw bytes, and nothing else is looked at.
"""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

SCHEMA = 8  # major version of the archive's JSON
DTYPES = {  # torch._export.serde.schema.ScalarType
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
_JSON_LIMIT = 2**26  # bytes
_SIZE_LIMIT = 4096


# What Python raises on JSON of another shape.
BROKEN = (LookupError, TypeError, AttributeError, ValueError)


class NotPlain(Exception):
    """The archive asks for more than tensors and known operators; the message says for what."""


class Input(NamedTuple):
    """What the program takes: sizes (B, C, H, W), None where free, and the dtype."""

    sizes: tuple[int | None, ...]
    dtype: torch.dtype


class Program(NamedTuple):
    """The graph's nodes as JSON, its tensors by name in the graph, its input and outputs."""

    nodes: list[dict[str, Any]]
    tensors: dict[str, Tensor]
    input_name: str
    takes: Input
    outputs: list[str]


def read_program(path: Path) -> Program:
    """Raises NotPlain for what needs torch.export.load, OSError or BadZipFile for damage."""
    with zipfile.ZipFile(path) as archive:
        # torch stores without compression: no file can be larger than the archive around it
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise NotPlain("it is compressed, as torch never writes one")
        root = archive.namelist()[0].split("/")[0]
        try:
            model = _json(archive, f"{root}/models/model.json")
            if model["schema_version"]["major"] != SCHEMA:
                raise NotPlain(f"its schema is {model['schema_version']}, not {SCHEMA}")
            stored = _tensors(archive, f"{root}/data/weights", "model_weights_config.json")
            stored |= _tensors(archive, f"{root}/data/constants", "model_constants_config.json")
            return _program(model["graph_module"], stored)
        except BROKEN as error:
            reason = f"{type(error).__name__} {error}"
            raise NotPlain(f"it is laid out in another way ({reason})") from error


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > _JSON_LIMIT:
        raise NotPlain(f"{name} has more than {_JSON_LIMIT} bytes")
    try:
        return json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise zipfile.BadZipFile(f"{name} is no JSON: {error}") from error


def _tensors(archive: zipfile.ZipFile, folder: str, config: str) -> dict[str, Tensor]:
    """The folder's tensors by the names that modules gave them."""
    found: dict[str, Tensor] = {}
    for name, entry in _json(archive, f"{folder}/{config}")["config"].items():
        if entry["use_pickle"] or entry["tensor_meta"] is None:
            raise NotPlain(f"'{name}' is pickled")
        found[name] = _tensor(archive.read(f"{folder}/{entry['path_name']}"), entry["tensor_meta"])
    return found


def _tensor(content: bytes, meta: dict[str, Any]) -> Tensor:
    """A strided view of raw bytes; torch checks that it stays inside of them."""
    if meta["dtype"] not in DTYPES:
        raise NotPlain(f"a tensor has the scalar type {meta['dtype']}")
    dtype = DTYPES[meta["dtype"]]
    sizes, strides = ([size["as_int"] for size in meta[key]] for key in ("sizes", "strides"))
    if math.prod(sizes) == 0:
        return torch.empty(sizes, dtype=dtype)
    try:
        flat = torch.frombuffer(bytearray(content), dtype=dtype)
        return flat.as_strided(sizes, strides, meta["storage_offset"]["as_int"])
    except (RuntimeError, ValueError) as error:
        raise zipfile.BadZipFile(f"a tensor is damaged: {error}") from error


def _program(module: dict[str, Any], stored: dict[str, Tensor]) -> Program:
    graph, signature = module["graph"], module["signature"]
    tensors, inputs = {}, []
    for spec in signature["input_specs"]:
        ((kind, content),) = spec.items()
        if kind == "user_input":
            inputs.append(content["arg"]["as_tensor"]["name"])
            continue
        if kind not in ("parameter", "buffer", "tensor_constant"):
            raise NotPlain(f"it has an input of kind '{kind}'")
        tensors[content["arg"]["name"]] = stored[content[f"{kind}_name"]]
    kinds = {kind for spec in signature["output_specs"] for kind in spec}
    if kinds != {"user_output"}:
        raise NotPlain(f"it has outputs of kind {', '.join(sorted(kinds - {'user_output'}))}")
    if len(inputs) != 1:
        raise NotPlain(f"it takes {len(inputs)} tensors instead of one")
    outputs = [output["as_tensor"]["name"] for output in graph["outputs"]]
    takes = _input(graph["tensor_values"][inputs[0]])
    return Program(graph["nodes"], tensors, inputs[0], takes, outputs)


def _input(meta: dict[str, Any]) -> Input:
    if meta["dtype"] not in DTYPES:
        raise NotPlain(f"it takes the scalar type {meta['dtype']}")
    sizes = tuple(size.get("as_int") for size in meta["sizes"])
    # so much memory is asked for when a picture is resized
    if any(size is not None and not 0 < size <= _SIZE_LIMIT for size in sizes):
        raise NotPlain(f"it takes {sizes}, and sizes go from 1 to {_SIZE_LIMIT}")
    return Input(sizes, DTYPES[meta["dtype"]])
