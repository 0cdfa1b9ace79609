"""A genbench folder: config.json and model.safetensors, whose SHA-256 config.json holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from genbench import files
from genbench.errors import InputError

CONFIG, TENSORS = "config.json", "model.safetensors"
_LIMIT = 2**20  # bytes of config.json


def save_folder(folder: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write both files; `config` gets the key "sha256" of model.safetensors."""
    content = dump_tensors({name: value.contiguous() for name, value in tensors.items()})
    files.write_bytes(folder / TENSORS, content)
    text = json.dumps({**config, "sha256": files.sha256(content)}, indent=1) + "\n"
    files.write_text(folder / CONFIG, text)


def load_folder(folder: Path, *, argument: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """config.json and the tensors; nothing in them is ever executed.

    Raises InputError that names `argument` where a file is missing or damaged.
    """
    config = load_config(folder, argument=argument)
    try:
        content = (folder / TENSORS).read_bytes()
        found, wanted = files.sha256(content), config["sha256"]
        if found != wanted:
            raise InputError(
                f"{argument}: '{folder / TENSORS}' is damaged: its sha256 is {found}, "
                f"{CONFIG} says {wanted}"
            )
        return config, load_tensors(content)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{argument}: cannot read '{folder / TENSORS}': {error}") from error


def load_config(folder: Path, *, argument: str) -> dict[str, Any]:
    """config.json alone, of a folder as `load_folder` reads it; raises InputError likewise."""
    if not folder.is_dir():
        raise InputError(
            f"{argument}: '{folder}' is not a folder; one with {CONFIG} and {TENSORS} is needed"
        )
    path = folder / CONFIG
    try:
        with path.open("rb") as file:
            config = json.loads(file.read(_LIMIT))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{argument}: cannot read '{path}': {why}") from error
    if not isinstance(config, dict) or not isinstance(config.get("sha256"), str):
        raise InputError(f"{argument}: '{path}' must be an object with the key 'sha256'")
    return config
