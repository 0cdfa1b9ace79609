"""Tasks of a user's own points: modes the user knows, or k-means bins that stand in for them."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from genbench.data.mixtures import Mixture
from genbench.data.seeded import RowSource
from genbench.errors import InputError
from genbench.metrics.bins import Bins
from genbench.metrics.mode_law import HELD_SHARE
from genbench.studies.tasks.base import Scores, complete
from genbench.studies.tasks.mixtures import MixtureTask, known_conventions, known_scores
from genbench.studies.tasks.reals import BINS, COUNTED, PLACED, Reals


class ArrayTask:
    """A user's points, (N, ...) floating.

    Every fifth row is held out and judges; the others train. Without known modes k-means bins stand
    in for them (Richardson and Weiss 2018): modes: bins visited; modes_held: bins with at least a
    fifth of their share of all rows. modes: equally weighted Gaussians that the user knows in them.
    """

    least_samples = 1
    CELLS = 50  # k-means bins that stand in for modes

    def __init__(self, name: str, x: np.ndarray, modes: Mixture | None = None) -> None:
        self.name = name
        self.x = _checked(name, np.asarray(x))
        self.known = modes
        self.data_shape = tuple(self.x.shape[1:])
        self.digest = _digest(self.x, modes)
        held_out = np.arange(len(self.x)) % 5 == 4
        self._train = torch.from_numpy(self.x[~held_out]).double()
        self.source = RowSource(self._train)
        self._held_out = torch.from_numpy(self.x[held_out]).double().flatten(1)
        self.scale = float(self.x.reshape(len(self.x), -1).std(axis=0).mean())
        if self.scale == 0:
            raise InputError(f"data: '{name}' must vary, got {len(self.x)} equal rows")
        if modes is not None and self.data_shape != tuple(modes.means.shape[1:]):
            raise InputError(
                f"modes: must lie in the {self.data_shape} of data '{name}', got "
                f"{modes.means.shape[1]} dimensions"
            )

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """n training rows, drawn with replacement."""
        return self._train[torch.randint(len(self._train), (n,), generator=rng)]

    def score(self, samples: Tensor) -> Scores:
        """Every score of samples (N, ...) in the data's units; no quality radius without modes."""
        rows = samples.double().flatten(1)
        found = self._binned(rows) if self.known is None else known_scores(rows, self.known)
        return complete({**found, **self._reals.score(rows)})

    def floor(self, n: int) -> Scores:
        """The score of n training rows, of every second at most: these have placed no bins."""
        rows = self._train[1::2]
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
        return self.score(rows[order[:n]])

    def modes(self) -> int:
        """How many modes are known; else the number of bins: 50, or of different rows if fewer."""
        return len(self._cells if self.known is None else self.known.means)

    def arrays(self) -> dict[str, np.ndarray]:
        """x, all rows; those of known modes."""
        if self.known is None:
            return {"x": self.x}
        return {"x": self.x, **MixtureTask(self.known).arrays()}

    @classmethod
    def from_arrays(cls, name: str, arrays: dict[str, np.ndarray]) -> ArrayTask:
        """The task of `arrays`."""
        if "means" not in arrays:
            return cls(name, arrays["x"])
        return cls(name, arrays["x"], MixtureTask.from_arrays("modes", arrays).mixture)

    @property
    def conventions(self) -> dict[str, str]:
        """How each score is meant."""
        cells = f"{self.CELLS} k-means bins"
        binned = {
            "modes": f"of {cells} those with at least one sample",
            "modes_held": "bins with at least a fifth of their share of all rows",
            "kl": "nats, shares of bins against those of all rows",
        }
        known = binned if self.known is None else known_conventions(self.known)
        return {**known, **self._reals.conventions(), "floor": "rows of the training set itself"}

    def _binned(self, rows: Tensor) -> dict[str, float]:
        p, w = self._cells.histogram(self._reals.reduced(rows)).numpy(), self._weights
        visited = (p > 0) & (w > 0)
        return {
            "modes": int(visited.sum()),
            "modes_held": int((visited & (p >= HELD_SHARE * w)).sum()),
            "kl": float((p[visited] * np.log(p[visited] / w[visited])).sum()),
        }

    @cached_property
    def _reals(self) -> Reals:
        placing = self._train[::2].flatten(1)
        return Reals(
            placing=placing[:: max(1, len(placing) // PLACED)],
            counted=self._held_out[:COUNTED],
            near=self._held_out,
            bins=max(10, min(BINS, len(self._held_out) // 10)),
        )

    @cached_property
    def _cells(self) -> Bins:
        rows = torch.from_numpy(self.x).double().flatten(1)
        return self._reals.placed(rows[:: max(1, len(rows) // PLACED)], self.CELLS)

    @cached_property
    def _weights(self) -> np.ndarray:
        every = torch.from_numpy(self.x).double().flatten(1)
        return self._cells.histogram(self._reals.reduced(every)).numpy()


def _checked(name: str, x: np.ndarray) -> np.ndarray:
    if x.ndim < 2 or not np.issubdtype(x.dtype, np.floating):
        raise InputError(f"data: '{name}' must be floating (N, ...), got {x.dtype} {x.shape}")
    x = x.astype(np.float32 if x.dtype == np.float32 else np.float64)
    if not np.isfinite(x).all():
        raise InputError(f"data: '{name}' must be finite, got NaN or infinity")
    if len(x) < 500:
        raise InputError(f"data: '{name}' must have at least 500 rows, got {len(x)}")
    return np.ascontiguousarray(x)


def _digest(x: np.ndarray, modes: Mixture | None) -> str:
    sha = hashlib.sha256(f"{x.dtype} {x.shape}".encode())
    sha.update(x.data.cast("B"))
    if modes is not None:
        sha.update(modes.digest.encode())
    return sha.hexdigest()
