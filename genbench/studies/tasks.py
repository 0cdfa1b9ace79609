"""A task: the data a model has to imitate and the scores its samples get."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from genbench import files
from genbench.data.mixtures import Mixture, mixture
from genbench.errors import InputError
from genbench.metrics.bins import Bins
from genbench.metrics.mode_law import HELD_SHARE
from genbench.metrics.modes import mode_coverage, perfect_sampler
from genbench.metrics.neighbours import precision_recall

Scores = dict[str, float | None]


class Task(Protocol):
    """What a study needs to know of its data."""

    name: str

    @property
    def digest(self) -> str: ...  # of the content
    @property
    def data_shape(self) -> tuple[int, ...]: ...
    @property
    def scale(self) -> float: ...  # training data are divided by it
    def sample(self, n: int, rng: torch.Generator) -> Tensor: ...
    def score(self, samples: Tensor) -> Scores: ...
    def floor(self, n: int) -> Scores: ...  # what a perfect sampler scores
    def modes(self) -> int: ...
    def arrays(self) -> dict[str, np.ndarray]: ...  # rebuilds the task, draws its picture


class MixtureTask:
    """Data whose modes are known."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture
        self.name = mixture.name
        self.digest = mixture.digest
        self.data_shape = (mixture.means.shape[1],)
        self.scale = mixture.scale
        self.sample = mixture.sample

    def score(self, samples: Tensor) -> Scores:
        """Mode coverage of samples (N, d) in the data's units."""
        return _plain(mode_coverage(samples, self.mixture)._asdict())

    def floor(self, n: int) -> Scores:
        """Closed form."""
        return _plain(perfect_sampler(self.mixture, n)._asdict())

    def modes(self) -> int:
        """How many modes there are."""
        return len(self.mixture.means)

    def arrays(self) -> dict[str, np.ndarray]:
        """means (K, d) and sigma."""
        known = self.mixture
        arrays = {"means": known.means.numpy(), "sigma": np.array(known.sigma)}
        return arrays if known.basis is None else {**arrays, "basis": known.basis.numpy()}


class ArrayTask:
    """A user's points without known modes: k-means bins stand in for modes (Richardson and Weiss
    2018), precision, recall, density and coverage for quality.

    Every fifth row is held out and judges precision to coverage; the others train. modes: bins
    visited; modes_held: bins with at least a fifth of their share of all rows.
    """

    BINS, NEIGHBOURS, ROWS = 50, 5, 5_000

    def __init__(self, name: str, x: np.ndarray) -> None:
        self.name = name
        x = np.asarray(x)
        x = x.astype(np.float32 if x.dtype == np.float32 else np.float64) if _is_real(x) else x
        if x.ndim < 2 or not _is_real(x):
            raise InputError(f"data: '{name}' must be floating (N, ...), got {x.dtype} {x.shape}")
        if not np.isfinite(x).all():
            raise InputError(f"data: '{name}' must be finite, got NaN or infinity")
        if len(x) < 500:
            raise InputError(f"data: '{name}' must have at least 500 rows, got {len(x)}")
        self.x = np.ascontiguousarray(x)
        head = f"{x.dtype} {x.shape}".encode()
        self.digest = hashlib.sha256(head + self.x.tobytes()).hexdigest()
        held_out = np.arange(len(x)) % 5 == 4
        self._train = torch.from_numpy(self.x[~held_out]).double()
        self._real = torch.from_numpy(self.x[held_out][: self.ROWS]).double().flatten(1)
        self.data_shape = tuple(x.shape[1:])
        self.scale = float(self.x.reshape(len(x), -1).std(axis=0).mean())
        if self.scale == 0:
            raise InputError(f"data: '{name}' must vary, got {len(x)} equal rows")

    @cached_property
    def _bins(self) -> Bins:
        rows = torch.from_numpy(self.x).flatten(1)
        return Bins.fit(rows[:: max(1, len(rows) // (2 * self.ROWS))], bins=self.BINS)

    @cached_property
    def _weights(self) -> np.ndarray:
        return self._bins.histogram(torch.from_numpy(self.x).flatten(1)).numpy()

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """n training rows, drawn with replacement."""
        return self._train[torch.randint(len(self._train), (n,), generator=rng)]

    def score(self, samples: Tensor) -> Scores:
        """Bins and neighbours of samples (N, ...) in the data's units; no quality radius."""
        rows = samples.double().flatten(1)
        p, w = self._bins.histogram(rows).numpy(), self._weights
        judged = precision_recall(real=self._real, fake=rows[: len(self._real)], k=self.NEIGHBOURS)
        visited = (p > 0) & (w > 0)
        return {
            "modes": int(visited.sum()),
            "modes_held": int((visited & (p >= HELD_SHARE * w)).sum()),
            "high_quality": None,
            "kl": float((p[visited] * np.log(p[visited] / w[visited])).sum()),
            "kl_off_mode": None,
            **judged._asdict(),
        }

    def floor(self, n: int) -> Scores:
        """The score of training rows themselves, n of them where there are so many."""
        order = torch.randperm(len(self._train), generator=torch.Generator().manual_seed(0))
        return self.score(self._train[order[:n]])

    def modes(self) -> int:
        """The number of bins: 50, or of different rows where those are fewer."""
        return len(self._bins)

    def arrays(self) -> dict[str, np.ndarray]:
        """x, all rows."""
        return {"x": self.x}


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
        return MixtureTask(value if name is None else replace(value, name=name))
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, np.ndarray):
        return ArrayTask(name or "data", value)
    raise InputError(
        f"data: expected a name, a Mixture or an array (N, ...), got {type(value).__name__}"
    )


def save_task(task: Task, folder: Path) -> Path:
    """Write the task's arrays as `folder/DIGEST.npz`, for workers and for pictures."""
    path = folder / f"{task.digest[:16]}.npz"
    if not _holds(path, task):
        content = io.BytesIO()
        np.savez(content, **task.arrays())  # type: ignore[arg-type]
        files.write_bytes(path, content.getvalue())
    return path


def _holds(path: Path, task: Task) -> bool:
    """Whether the file is there and whole."""
    try:
        return load_task(path, task.name).digest == task.digest
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False


def _is_real(x: np.ndarray) -> bool:
    return bool(np.issubdtype(x.dtype, np.floating))


def load_task(path: Path, name: str) -> Task:
    """The task that `save_task` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        if "x" in arrays:
            return ArrayTask(name, arrays["x"])
        basis = torch.from_numpy(arrays["basis"]) if "basis" in arrays else None
        means, sigma = torch.from_numpy(arrays["means"]), float(arrays["sigma"])
        return MixtureTask(Mixture(name, means, sigma, basis))


def _plain(scores: dict[str, float]) -> Scores:
    # JSON has no NaN: a score that does not exist is null
    return {name: None if math.isnan(value) else value for name, value in scores.items()}
