"""Draws samples from what `genbench train` or a study left on disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genbench import files
from genbench.errors import InputError
from genbench.folder import CONFIG
from genbench.models import create_model, from_pretrained
from genbench.report.training import samples_png
from genbench.train.checkpoint import load_checkpoint, load_latest

SHOWN = 4096  # samples in the picture


def sample_checkpoint(path: Path, *, n: int, out: Path, seed: int = 0) -> list[Path]:
    """Write n samples of the model in `path`, in the data's units, and return the files.

    path: a trained model's folder, a run's, a cell's, or one checkpoint; the newest is taken.
    `out` gets samples.npy, (n, *data_shape) float32, and samples.png for pictures and for points
    on the plane. Raises InputError for a bad n, no checkpoint, or a model whose networks were the
    user's own.
    """
    if n < 1:
        raise InputError(f"n: must be at least 1, got {n}")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed: must be in [0, 2^63), got {seed}")
    if (out / "row.json").exists() or (out / "checkpoints").exists():
        raise InputError(f"out: '{out}' is a study's cell; choose another --out")
    model, scale = open_model(path)
    rng = torch.Generator().manual_seed(seed)
    try:
        samples = (model.sample(n, rng).double() * scale).float().numpy()
    except (RuntimeError, MemoryError) as error:  # torch's word for memory that is not there
        raise InputError(f"n: {n} samples do not fit into memory") from error
    content = io.BytesIO()
    np.save(content, samples)
    written = {out / "samples.npy": content.getvalue()}
    if (picture := samples_png(samples[:SHOWN])) is not None:
        written[out / "samples.png"] = picture
    try:
        for file, data in written.items():
            files.write_bytes(file, data)
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"out: cannot write '{out}' ({why}); choose another --out") from error
    return list(written)


def open_model(path: Path) -> tuple[Any, float]:
    """The model in evaluation mode, and what its samples are multiplied by."""
    for folder in (path, path / "model"):
        if (folder / CONFIG).is_file():
            return from_pretrained(folder), 1.0
    state = _load(path)
    return _rebuild(state, path), state["model"]["scale"]


def _load(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise InputError(f"checkpoint: '{path}' is not a folder")
    if (path / "manifest.json").exists():
        return load_checkpoint(path)
    folder = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    state = load_latest(folder)
    if state is None:
        raise InputError(f"checkpoint: '{path}' holds no whole checkpoint")
    return state


def _rebuild(state: dict[str, Any], path: Path) -> Any:
    if "model" not in state or state.get("own_networks", True):
        raise InputError(f"checkpoint: '{path}' has networks of its own that no name can rebuild")
    about = state["model"]
    shape = tuple(about["data_shape"])
    model: Any = create_model(about["name"], data_shape=shape, **about["config"])
    weights = {**state["trainer"]["model"], **state["trainer"].get("ema", {}).get("average", {})}
    model.load_state_dict(weights)
    dtype = next(iter(weights.values())).dtype
    return model.to(dtype).eval()
