"""Tasks of whatever a user may give as data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.catalog import look_up
from genbench.data import CATALOG, DATASETS, MIXTURES, ON_DISK, open_dataset
from genbench.data.mixtures import Mixture, mixture
from genbench.data.samples import open_samples
from genbench.errors import InputError
from genbench.studies.evaluation.known_modes import open_modes
from genbench.studies.tasks.arrays import ArrayTask
from genbench.studies.tasks.base import Task
from genbench.studies.tasks.mixtures import MixtureTask
from genbench.studies.tasks.stacked import stacked_digits, stacked_mnist

_SUFFIXES = (".npy", ".npz", ".safetensors")


def make_tasks(data: Any, *, modes: Any = None) -> list[Task]:
    """Tasks for names, Mixtures, arrays (N, ...), paths, a sequence of them, or a dict of named.

    Names are those of `genbench datasets`, "stacked-mnist=FOLDER" with MNIST's IDX files; a path is
    a file of rows (.npy, .npz, .safetensors) or of pictures, or a folder of pictures, read as
    `open_samples` reads them; pictures become [-1, 1]. modes: those of the arrays and files, a
    Mixture, its name or an .npz with means (K, d) and sigma; None: k-means bins stand in for them.

    Raises InputError, one line, for an unknown name, an unusable value or file, none at all, one
    name twice, or modes where no array could have them.
    """
    known = modes if modes is None or isinstance(modes, Mixture) else open_modes(modes)
    if isinstance(data, Mapping):
        named = [_make_task(value, str(name), known) for name, value in data.items()]
    else:
        several = isinstance(data, Sequence) and not isinstance(data, str)
        named = [_make_task(value, None, known) for value in (data if several else [data])]
    arrays = [task for task in named if isinstance(task, ArrayTask)]
    if not isinstance(data, Mapping):  # arrays have no name of their own
        unnamed = [task for task in arrays if task.name == "data"]
        for number, task in enumerate(unnamed[1:], 2):
            task.name = f"data-{number}"
    names = [task.name for task in named]
    if not names:
        raise InputError("data: must name at least one data set, got none")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"data: '{name}' is named twice")
    if known is not None and not arrays:
        raise InputError(f"modes: only a file or an array takes them, got {', '.join(names)}")
    return named


def _make_task(value: Any, name: str | None, modes: Mixture | None) -> Task:
    if isinstance(value, str | os.PathLike):
        return _named(value, name, modes)
    if isinstance(value, Mixture):
        return MixtureTask(value) if name is None else MixtureTask(value).renamed(name)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, np.ndarray):
        return ArrayTask(name or "data", value, modes)
    raise InputError(
        f"data: expected a name, a path, a Mixture or an array (N, ...), got {type(value).__name__}"
    )


def _named(value: str | os.PathLike[str], name: str | None, modes: Mixture | None) -> Task:
    """The task of a name, or of a path."""
    text = os.fspath(value)
    if text in MIXTURES:
        found = MixtureTask(mixture(text))
        return found if name is None else found.renamed(name)
    if text == "stacked-digits":
        return stacked_digits(name or text)
    if text == "stacked-mnist" or text.startswith("stacked-mnist="):
        folder = text.partition("=")[2]
        if not folder:
            raise InputError(
                "data: stacked-mnist needs the folder of MNIST's IDX files: give it as "
                "stacked-mnist=FOLDER (train-images-idx3-ubyte and three more, also .gz)"
            )
        return stacked_mnist(Path(folder), name or "stacked-mnist")
    kind = text.partition("=")[0]  # mnist=FOLDER
    if text in DATASETS or kind in ON_DISK:
        return ArrayTask(name or kind, open_dataset(text).train.all().x.numpy(), modes)
    path, plain = Path(text), isinstance(value, str) and os.sep not in text
    if plain and path.suffix not in _SUFFIXES and not (text and path.exists()):
        look_up(CATALOG, text, argument="data")  # raises
    return ArrayTask(name or path.stem, _read(path), modes)


def _read(path: Path) -> np.ndarray:
    """The rows (N, d) of a file, or its pictures as (N, C, H, W) float32 in [-1, 1]."""
    samples = open_samples(path, argument="data")
    if samples.kind == "moments":
        raise InputError(f"data: '{path}' holds moments, not samples")
    rows = samples.read(0, len(samples))
    return rows.astype(np.float32) / 127.5 - 1 if samples.kind == "images" else rows
