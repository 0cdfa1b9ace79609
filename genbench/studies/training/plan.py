"""What a run is: everything that decides its numbers, written first and compared on resumption."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from genbench import files
from genbench.data.datasets import Dataset
from genbench.errors import InputError
from genbench.train.options import Options

NAME = "run.json"


@dataclass(frozen=True)
class Plan:
    """One run. data_digest: of the training rows. config: fields of the model's Config."""

    model: str
    data: str
    data_shape: tuple[int, ...]
    data_digest: str
    steps: int
    batch: int
    seed: int
    device: str
    backend: str
    evaluations: int
    config: Mapping[str, Any] = field(default_factory=dict)
    options: Options = field(default_factory=Options)

    def content(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json.loads(json.dumps(asdict(self)))

    def write(self, folder: Path) -> None:
        """run.json in the folder, with the versions that began the run."""
        about = {**self.content(), "versions": {"torch": torch.__version__}}
        files.write_text(folder / NAME, json.dumps(about, indent=1) + "\n")

    def check_same(self, folder: Path) -> None:
        """Raises InputError where the folder holds another run, with the first difference."""
        old, new = _flat(read_plan(folder)), _flat(self.content())
        for key in sorted(old.keys() | new.keys()):
            if key.startswith("versions."):
                continue
            if old.get(key) != new.get(key):
                raise InputError(
                    f"resume: the run in '{folder}' has {key} {old.get(key)!r}, not "
                    f"{new.get(key)!r}; repeat its command, or choose another --out"
                )


def read_plan(folder: Path) -> dict[str, Any]:
    """run.json of a folder; raises InputError where it is missing or damaged."""
    path = folder / NAME
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"out: cannot read '{path}' ({why})") from error
    if not isinstance(found, dict):
        raise InputError(f"out: '{path}' must hold an object, got {type(found).__name__}")
    return found


def digest(data: Dataset) -> str:
    """Hexadecimal SHA-256 of the training rows and labels."""
    sha = hashlib.sha256()
    for tensor in (data.train.x, data.train.labels, data.train.condition):
        if tensor is not None:
            sha.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            sha.update(tensor.contiguous().cpu().numpy().tobytes())
    return sha.hexdigest()


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
