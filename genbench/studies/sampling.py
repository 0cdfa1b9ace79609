"""Draws samples from a checkpoint that a study wrote."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genbench import files
from genbench.errors import InputError
from genbench.models import create_model
from genbench.report.pictures import new_figure, png
from genbench.train.checkpoint import load_checkpoint, load_latest


def sample_checkpoint(path: Path, *, n: int, out: Path, seed: int = 0) -> list[Path]:
    """Write n samples of the model in `path`, in the data's units, and return the files.

    path: a checkpoint folder, or a cell's folder with `checkpoints/` in it (the newest is taken).
    `out` gets samples.npy, (n, *data_shape) float32, and samples.png for points on the plane.
    Raises InputError for a bad n, no checkpoint, or a model whose networks were the user's own.
    """
    if n < 1:
        raise InputError(f"n: must be at least 1, got {n}")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed: must be in [0, 2^63), got {seed}")
    if (out / "row.json").exists() or (out / "checkpoints").exists():
        raise InputError(f"out: '{out}' is a study's cell; choose another --out")
    state = _load(path)
    model = _rebuild(state, path)
    rng = torch.Generator().manual_seed(seed)
    try:
        samples = (model.sample(n, rng).double() * state["model"]["scale"]).float().numpy()
    except (RuntimeError, MemoryError) as error:  # torch's word for memory that is not there
        raise InputError(f"n: {n} samples do not fit into memory") from error
    content = io.BytesIO()
    np.save(content, samples)
    written = {out / "samples.npy": content.getvalue()}
    if samples.ndim == 2 and samples.shape[1] == 2:
        figure = new_figure(1, 1, panel=(5, 5))
        axis = figure.subplots()
        axis.scatter(*samples.T, s=3, alpha=0.5, linewidths=0)
        axis.set(aspect="equal", title=f"{n} samples, {state['model']['loss']}")
        written[out / "samples.png"] = png(figure)
    try:
        for file, data in written.items():
            files.write_bytes(file, data)
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"out: cannot write '{out}' ({why}); choose another --out") from error
    return list(written)


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
    model.load_state_dict(state["trainer"]["model"])
    dtype = next(iter(state["trainer"]["model"].values())).dtype
    return model.to(dtype).eval()
