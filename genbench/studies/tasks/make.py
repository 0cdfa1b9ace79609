"""Tasks of whatever a user may give as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.data.mixtures import Mixture, mixture
from genbench.errors import InputError
from genbench.studies.tasks.arrays import ArrayTask
from genbench.studies.tasks.base import Task
from genbench.studies.tasks.mixtures import MixtureTask


def make_tasks(data: Any) -> list[Task]:
    """Tasks for names, Mixtures, arrays (N, ...), a sequence of them, or a dict of named arrays.

    Raises InputError for an unknown name, an unusable value, none at all or one name twice.
    """
    if isinstance(data, Mapping):
        named = [_make_task(value, str(name)) for name, value in data.items()]
    else:
        several = isinstance(data, Sequence) and not isinstance(data, str)
        named = [_make_task(value, None) for value in (data if several else [data])]
    if not isinstance(data, Mapping):  # arrays have no name of their own
        arrays = [task for task in named if isinstance(task, ArrayTask)]
        for number, task in enumerate(arrays[1:], 2):
            task.name = f"{task.name}-{number}"
    names = [task.name for task in named]
    if not names:
        raise InputError("data: must name at least one data set, got none")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"data: '{name}' is named twice")
    return named


def _make_task(value: Any, name: str | None) -> Task:
    if isinstance(value, str):
        value = mixture(value)
    if isinstance(value, Mixture):
        return MixtureTask(value) if name is None else MixtureTask(value).renamed(name)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, np.ndarray):
        return ArrayTask(name or "data", value)
    raise InputError(
        f"data: expected a name, a Mixture or an array (N, ...), got {type(value).__name__}"
    )
