"""Mean and covariance of features that come in batches, and that several processes add up.

Chunk-wise sums about the chunk's own mean, joined by the pairwise rule of Chan, Golub and LeVeque
1979: no sum of squares cancels, whatever offset the features have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import count, feature_matrix
from genbench.metrics.reductions import add_gram, single_threaded, symmetric

CHUNK = 1024  # rows: the rank-one work of joining is then a thousandth of the products
_STATE = ("count", "mean", "sums", "waiting")


class Moments:
    """Streaming count, mean (d,) and covariance (d, d) over N - 1, float64.

    Rows are gathered into chunks of a fixed size, so the bits of a result depend on the rows and
    their order, not on the batches they came in nor on the number of threads. Memory: four (d, d)
    matrices while a covariance is read, one (1024, d) buffer.
    """

    def __init__(self, width: int, *, device: torch.device | str = "cpu") -> None:
        width = count(width, argument="width")
        wide: Any = {"dtype": torch.float64, "device": device}
        self._joined = 0  # rows in _mean and _sums
        self._mean = torch.zeros(width, **wide)
        self._sums = torch.zeros(width, width, **wide)  # on and above the diagonal
        # the first _held rows wait; one more place for the step between two means
        self._waiting = torch.zeros(CHUNK + 1, width, **wide)
        self._held = 0

    @property
    def width(self) -> int:
        return len(self._mean)

    @property
    def count(self) -> int:
        """Rows so far."""
        return self._joined + self._held

    @property
    @single_threaded()
    def mean(self) -> Tensor:
        """(d,) float64; InputError without rows."""
        self._refuse_fewer(1)
        if not self._held:
            return self._mean.clone()
        return self._mean + (self._waiting_mean() - self._mean) * (self._held / self.count)

    @property
    @single_threaded()
    def covariance(self) -> Tensor:
        """(d, d) float64, over N - 1, exactly symmetric; InputError with fewer than 2 rows."""
        self._refuse_fewer(2)
        return symmetric(self._finished()._sums).div_(self.count - 1)

    @single_threaded()
    def update(self, features: Any) -> None:
        """Adds rows (n, d) of any floating dtype, n >= 0; a tensor or a NumPy array.

        Errors: InputError for another width or a row that is not finite; nothing is added then.
        """
        rows = feature_matrix(features, argument="features", rows=0)
        if rows.shape[1] != self.width:
            raise InputError(f"features: must be (N, {self.width}), got shape {tuple(rows.shape)}")
        while len(rows):
            taken = rows[: CHUNK - self._held]
            self._waiting[self._held : self._held + len(taken)] = taken
            self._held += len(taken)
            rows = rows[len(taken) :]
            if self._held == CHUNK:
                self._join_waiting()

    @single_threaded()
    def merge(self, other: Moments) -> None:
        """Adds the rows that `other` has seen; it stays as it is.

        The same parts merged in the same order give the same bits; another partition of the rows
        differs by rounding.
        """
        if other.width != self.width:
            raise InputError(f"other: must have width {self.width}, got {other.width}")
        if self._held:
            self._join_waiting()
        rest = other._finished()
        if rest._joined:
            self._sums += rest._sums.to(self._sums.device)
            between = self._move_mean(rest._joined, rest._mean.to(self._mean.device))
            add_gram(self._sums, between[None])

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors alone: what `from_state_dict` goes on from, bit for bit."""
        count = torch.tensor(self._joined)
        waiting = self._waiting[: self._held]
        state = dict(zip(_STATE, (count, self._mean, self._sums, waiting), strict=True))
        return {name: tensor.clone() for name, tensor in state.items()}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Moments:
        """The moments that `state_dict` was taken of; InputError for other tensors."""
        if set(state) != set(_STATE):
            raise InputError(f"state: must hold {', '.join(_STATE)}, got {', '.join(state)}")
        count, mean, sums, waiting = (state[name] for name in _STATE)
        d, held = mean.numel(), len(waiting)
        shapes = ((), (d,), (d, d), (held, d))
        found = tuple(tuple(tensor.shape) for tensor in (count, mean, sums, waiting))
        if found != shapes or held >= CHUNK:
            raise InputError(f"state: shapes must agree with the mean's ({d},), got {found}")
        moments = cls(d, device=mean.device)
        moments._joined, moments._held = int(count), held
        moments._mean.copy_(mean)
        moments._sums.copy_(sums)
        moments._waiting[:held] = waiting
        return moments

    def _refuse_fewer(self, rows: int) -> None:
        if self.count < rows:
            raise InputError(f"features: moments need at least {rows} rows, got {self.count}")

    def _finished(self) -> Moments:
        """These moments with no row waiting; itself where none is."""
        if not self._held:
            return self
        copy = Moments.from_state_dict(self.state_dict())
        copy._join_waiting()
        return copy

    def _waiting_mean(self) -> Tensor:
        return self._waiting[: self._held].mean(dim=0)

    def _join_waiting(self) -> None:
        """Centres the waiting rows in their place and adds their products."""
        mean, n = self._waiting_mean(), self._held
        self._waiting[:n] -= mean
        self._waiting[n] = self._move_mean(n, mean)
        add_gram(self._sums, self._waiting[: n + 1])
        self._held = 0

    def _move_mean(self, n: int, mean: Tensor) -> Tensor:
        """Takes in the mean of n rows; gives the row (d,) whose products go to the sums for it."""
        apart, total = mean - self._mean, self._joined + n
        between = apart * (self._joined * n / total) ** 0.5
        self._mean = self._mean + apart * (n / total)
        self._joined = total
        return between
