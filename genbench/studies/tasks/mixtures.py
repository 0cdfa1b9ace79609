"""Tasks whose modes are known: mixtures of Gaussians."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from genbench.data.mixtures import Mixture
from genbench.data.seeded import MixtureSource
from genbench.metrics.mode_law import mode_law, quality_radius
from genbench.metrics.modes import perfect_sampler
from genbench.metrics.spread import coverage_and_spread
from genbench.studies.tasks.base import Scores, complete, mean_scores
from genbench.studies.tasks.reals import COUNTED, PLACED, Reals, near_rows

TRIALS = 10  # fresh draws behind a floor that has no closed form
_WIDE = 5_000_000  # entries of a real sample: 40 MB


class MixtureTask:
    """Data whose modes are known."""

    least_samples = 1

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture
        self.name = mixture.name
        self.digest = mixture.digest
        self.data_shape = (mixture.means.shape[1],)
        self.scale = mixture.scale
        self.sample = mixture.sample
        self.source = MixtureSource(mixture)
        self._floors: dict[int, Scores] = {}

    def score(self, samples: Tensor) -> Scores:
        """Every score of samples (N, d) in the data's units."""
        return complete({**known_scores(samples, self.mixture), **self._reals.score(samples)})

    def floor(self, n: int) -> Scores:
        """Mode coverage and spread in closed form, or from the law's draws where modes overlap; the
        others as means over ten fresh samples of n points."""
        if n not in self._floors:
            rng = torch.Generator().manual_seed(1)
            fresh = [self._reals.score(self.sample(n, rng)) for _ in range(TRIALS)]
            known = perfect_sampler(self.mixture, n)._asdict()
            self._floors[n] = complete({**known, "spread": 1.0, **mean_scores(fresh)})
        return dict(self._floors[n])

    def modes(self) -> int:
        """How many modes there are."""
        return len(self.mixture.means)

    def arrays(self) -> dict[str, np.ndarray]:
        """means (K, D), sigma, and basis (D, d) if the noise lies in a subspace."""
        known = self.mixture
        arrays = {"means": known.means.numpy(), "sigma": np.array(known.sigma)}
        return arrays if known.basis is None else {**arrays, "basis": known.basis.numpy()}

    @classmethod
    def from_arrays(cls, name: str, arrays: dict[str, np.ndarray]) -> MixtureTask:
        """The task of `arrays`."""
        basis = torch.from_numpy(arrays["basis"]) if "basis" in arrays else None
        means, sigma = torch.from_numpy(arrays["means"]), float(arrays["sigma"])
        return cls(Mixture(name, means, sigma, basis))

    def renamed(self, name: str) -> MixtureTask:
        """The same data under another name."""
        return MixtureTask(dataclasses.replace(self.mixture, name=name))

    @property
    def conventions(self) -> dict[str, str]:
        """How each score is meant."""
        return {**known_conventions(self.mixture), **self._reals.conventions()}

    @cached_property
    def _reals(self) -> Reals:
        """Drawn by the mixture's own digest: the same for every cell and every study."""
        rng = torch.Generator().manual_seed(int(self.digest[:15], 16))
        width = self.mixture.means.shape[1]
        counts = (min(count, _WIDE // width) for count in (PLACED, COUNTED, near_rows(width)))
        placing, counted, near = (self.sample(count, rng) for count in counts)
        return Reals(placing=placing, counted=counted, near=near)


def known_scores(samples: Tensor, mixture: Mixture) -> dict[str, float]:
    """Mode coverage and spread of samples (N, D)."""
    coverage, spread = coverage_and_spread(samples, mixture)
    return {**coverage._asdict(), "spread": spread.spread}


def known_conventions(mixture: Mixture) -> dict[str, str]:
    """How the scores of `known_scores` are meant."""
    d = mixture.dimensions
    law = mode_law(mixture)
    overlap = bool((law.shares - law.shares.mean()).abs().max() > 1e-12)
    against = "a perfect sampler's shares, since modes overlap" if overlap else "equal weights"
    radius = f"within {quality_radius(d):.4g} sigma of the nearest mode, Euclidean"
    rule = "" if d <= 2 else f", which holds 98.889 % of a Gaussian in {d} dimensions"
    return {
        "modes": "a mode with at least one high-quality sample",
        "modes_held": "high-quality samples >= a fifth of the mode's weight",
        "high_quality": radius + rule,
        "spread": "standard deviation of high-quality samples within held modes, over a perfect "
        "sampler's",
        "kl": f"nats, high-quality samples against {against}",
        "kl_off_mode": "nats, with one bin for all other samples",
    }
