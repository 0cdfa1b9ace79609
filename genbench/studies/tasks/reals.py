"""A fixed sample of the reals, against which all cells of a task are judged alike.

Number of different bins (Richardson and Weiss 2018, arXiv 1805.12462) and precision, recall,
density and coverage (Kynkaanniemi 2019, arXiv 1904.06991; Naeem 2020, arXiv 2002.09797), sized so
that 10,000 samples in the plane take less than .1 s on one thread.
"""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from genbench.metrics.bins import Bins, count_different
from genbench.metrics.neighbours import PrecisionRecall, precision_recall
from genbench.metrics.reductions import single_threaded

BINS, NEIGHBOURS = 100, 5
PLACED, COUNTED = 10_000, 50_000  # reals that place the bins, and others that fill them
_NARROW, _KEPT = 32, 16  # columns; principal components that stand in for more
_WORK = 8e7  # pairs of rows times columns: some 60 ms on one thread


def near_rows(width: int) -> int:
    """How many reals and samples of `width` columns meet for precision to coverage."""
    return max(250, min(2_000, math.isqrt(int(_WORK // width))))


class Reals:
    """Bins and neighbours of real rows, all (N, d) float64.

    placing: rows that place the k-means bins; counted: others that fill them; near: rows whose
    neighbourhoods count. Rows of more than 32 columns are binned by their first 16 principal
    components, those of `placing`: k-means in all of them would take a minute (the authors' own
    code takes a part of the coordinates then).
    """

    def __init__(self, *, placing: Tensor, counted: Tensor, near: Tensor, bins: int = BINS) -> None:
        self._placing, self._counted = placing, counted
        self.near = near[: near_rows(near.shape[1])]
        self._asked = bins

    def score(self, rows: Tensor) -> dict[str, float]:
        """different_bins, precision, recall, density, coverage of samples (N, d).

        precision to coverage take the first rows, as many as there are reals.
        """
        fakes = self.bins.counts(self.reduced(rows))
        near = rows[: len(self.near)]
        judged = PrecisionRecall(math.nan, math.nan, math.nan, math.nan)
        if len(near) > NEIGHBOURS:
            judged = precision_recall(real=self.near, fake=near, k=NEIGHBOURS)
        different = count_different(real=self._filled, fake=fakes)
        return {"different_bins": different, **judged._asdict()}

    def reduced(self, rows: Tensor) -> Tensor:
        """Rows (N, d) in the coordinates that are binned, (N, d or 16)."""
        if self._directions is None:
            return rows
        with single_threaded():
            return rows @ self._directions

    def placed(self, rows: Tensor, bins: int) -> Bins:
        """k-means bins of rows (N, d) in the coordinates that are binned."""
        return Bins.fit(self.reduced(rows), bins=bins)

    @cached_property
    def bins(self) -> Bins:
        """The bins whose shares are compared."""
        return self.placed(self._placing, self._asked)

    def conventions(self) -> dict[str, str]:
        """How the scores are meant."""
        wide = self._placing.shape[1] > _NARROW
        where = f" in {_KEPT} principal components" if wide else ""
        return {
            "different_bins": f"of {self._asked} k-means bins{where}, placed by "
            f"{len(self._placing)} reals, those whose share differs from that of "
            f"{len(self._counted)} others (two-proportion z-test, .05)",
            "precision, recall, density, coverage": f"k = {NEIGHBOURS}, Euclidean, <=, self "
            f"excluded; the first {len(self.near)} samples against {len(self.near)} fixed reals",
        }

    @cached_property
    def _filled(self) -> Tensor:
        return self.bins.counts(self.reduced(self._counted))

    @cached_property
    def _directions(self) -> Tensor | None:
        """(d, 16) the directions in which the placing rows vary most; None for few columns."""
        if self._placing.shape[1] <= _NARROW:
            return None
        with single_threaded():
            centred = self._placing[:2_000] - self._placing[:2_000].mean(dim=0)
            return torch.linalg.svd(centred, full_matrices=False).Vh[:_KEPT].T.contiguous()
