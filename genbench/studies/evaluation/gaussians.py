"""Mean and covariance of a set; those of real features are kept by content."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from genbench.metrics.checks import feature_matrix
from genbench.metrics.frechet import LARGEST, side_of_moments, side_of_rows
from genbench.metrics.frechet import Side as FrechetSide
from genbench.studies.evaluation.cache import Arrays, cache_key, source_digest
from genbench.studies.evaluation.evidence import Side


class Gaussian(NamedTuple):
    """What a Frechet distance needs of a set, fitted to `rows` rows; 0: given as moments."""

    rows: int
    side: FrechetSide

    def arrays(self) -> Arrays:
        """For the cache. The root keeps its order in memory: products with it round alike then."""
        mean, root = (tensor.cpu() for tensor in self.side[:2])
        turned = not root.is_contiguous()
        name, stored = ("root_transposed", root.T) if turned else ("root", root)
        return {
            "mean": mean.numpy(),
            name: stored.contiguous().numpy(),
            "trace": np.array(self.side.trace),
            "rows": np.array(self.rows),
        }

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Gaussian:
        """What `arrays` was taken of."""
        mean = torch.from_numpy(arrays["mean"])
        turned = arrays.get("root_transposed")
        root = torch.from_numpy(arrays["root"] if turned is None else turned)
        root = root if turned is None else root.T
        return cls(int(arrays["rows"]), FrechetSide(mean, root, float(arrays["trace"])))

    def to(self, device: str) -> Gaussian:
        """The same on a device."""
        mean, root, trace = self.side
        return Gaussian(self.rows, FrechetSide(mean.to(device), root.to(device), trace))


def gaussian_of(side: Side) -> Gaussian:
    """Fitted to the set's features, or read where it holds moments or the cache knows it."""
    device, cache = side.setting.device, side.setting.cache
    if side.samples.kind == "moments":
        pair = tuple(side.samples.extra(name) for name in ("mu", "sigma"))
        return Gaussian(0, side_of_moments(pair, argument=side.role)).to(device)
    if side.role == "fake":
        return _fitted(side)
    key = _key(side)
    if (kept := cache.load(key)) is not None:
        gaussian = Gaussian.of_arrays(kept)
        side.dropped = len(side) - gaussian.rows
        return gaussian.to(device)
    gaussian = _fitted(side)
    cache.save(key, gaussian.arrays())
    return gaussian


def _fitted(side: Side) -> Gaussian:
    rows = feature_matrix(side.features, argument=side.role, rows=2, largest=LARGEST)
    return Gaussian(len(rows), side_of_rows(rows))


def _key(side: Side) -> str:
    extractor = side.setting.extractor
    return cache_key(
        gaussian_of=side.digest,
        features=extractor and [extractor.digest, side.setting.batch_size],
        code=source_digest("metrics", "data"),
        torch=torch.__version__,
        device=torch.device(side.setting.device).type,
        dropped=side.setting.drop_non_finite,
    )
