"""Checkpoints: a folder of safetensors and JSON with a manifest; nothing in them is ever executed.

`step-00001000/` appears by one rename when it is complete. `manifest.json` holds the SHA-256 of the
other files; a folder that does not match is damaged, and the one before it is used.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors

from genbench import files
from genbench.errors import InputError

KEPT = 2
_TENSORS, _TREE, _MANIFEST = "state.safetensors", "state.json", "manifest.json"
_PREFIX = "step-"


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write `state` (nested dicts and lists of tensors, numbers, strings) as `folder/step-...`.

    Keeps the newest two checkpoints. Raises TypeError for a value that JSON cannot hold.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _encode(state, tensors, "")
    content = {
        _TENSORS: dump_tensors(tensors),
        _TREE: json.dumps(tree).encode(),
    }
    manifest = {name: files.sha256(data) for name, data in content.items()}
    target = folder / f"{_PREFIX}{step:08d}"
    partial = folder / f".{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    for name, data in {**content, _MANIFEST: json.dumps(manifest).encode()}.items():
        files.write_bytes(partial / name, data)
    shutil.rmtree(target, ignore_errors=True)  # a damaged one of the same step
    os.replace(partial, target)
    files.sync_folder(folder)
    keep_newest(folder, KEPT)
    return target


def keep_newest(folder: Path, count: int) -> None:
    """Delete all but the newest `count` checkpoints under `folder`, and what kills left there."""
    for old in [*_newest_first(folder)[count:], *folder.glob(f".{_PREFIX}*.partial")]:
        shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state in one checkpoint folder; raises InputError when it is missing or damaged."""
    try:
        manifest = json.loads((path / _MANIFEST).read_bytes())
        content = {name: (path / name).read_bytes() for name in (_TENSORS, _TREE)}
        damaged = [name for name, data in content.items() if files.sha256(data) != manifest[name]]
        if damaged:
            raise InputError(f"checkpoint: '{path / damaged[0]}' does not match its manifest")
        return _decode(json.loads(content[_TREE]), load_tensors(content[_TENSORS]))
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"checkpoint: cannot read '{path}' ({error})") from error


def load_latest(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint under `folder` that is whole; None when there is none.

    Warns about each damaged one it passes over for an older one.
    """
    damage: list[InputError] = []
    for path in _newest_first(folder):
        try:
            state = load_checkpoint(path)
        except InputError as error:
            damage.append(error)
            continue
        for error in damage:
            warnings.warn(f"{error}; using the one before it", stacklevel=2)
        return state
    return None


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.name[len(_PREFIX) :].isdigit()]
    return sorted(found, key=lambda path: int(path.name[len(_PREFIX) :]), reverse=True)


def _encode(value: Any, tensors: dict[str, torch.Tensor], name: str) -> Any:
    """JSON for `value`; tensors move into `tensors` under their path. Dicts become pairs: JSON
    would turn an optimiser's integer keys into strings."""
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        pairs = [[key, _encode(item, tensors, f"{name}/{key}")] for key, item in value.items()]
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        items = [_encode(item, tensors, f"{name}/{i}") for i, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__} at '{name}'")


def _decode(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _decode(item, tensors) for key, item in content}
    items = [_decode(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items
