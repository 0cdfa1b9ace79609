"""Whether the noise is noise: moments, distribution, and independence of its neighbours.

Every bound is at least 4 standard errors, with seeds fixed: a pass repeats, and a bias of the
size that bad generators show would fail.
"""

import numpy as np
import pytest
import torch
from scipy import stats

from genbench.ops import fold_seed

N = 200_000


def draw(api, name, key, **options):
    seed = torch.tensor([key], dtype=torch.int64)
    return getattr(api, name)(N, seed=seed, dtype=torch.float64, **options).numpy()


@pytest.mark.parametrize("key", [0, 1, -1, 2**32, -(2**63)])
def test_normal_moments_and_distribution(api, key):
    z = draw(api, "normal", key)
    assert abs(z.mean()) < 4 / N**0.5
    assert abs(z.var() - 1) < 4 * (2 / N) ** 0.5
    assert abs(stats.skew(z)) < 4 * (6 / N) ** 0.5
    assert abs(stats.kurtosis(z)) < 4 * (24 / N) ** 0.5
    assert stats.kstest(z, "norm").pvalue > 1e-4


@pytest.mark.parametrize("key", [0, 1, -1, 2**32, -(2**63)])
def test_uniform_moments_and_distribution(api, key):
    u = draw(api, "uniform", key)
    assert abs(u.mean() - 1 / 2) < 4 / (12 * N) ** 0.5
    assert abs(u.var() - 1 / 12) < 4 / (180 * N) ** 0.5
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    assert u.min() > 0 and u.max() < 1


def test_tails():
    """Beyond 3 sigma lie 2.7e-3 of the normals; their count is Poisson."""
    from genbench.ops import reference

    count = int((np.abs(draw(reference, "normal", 4)) > 3).sum())
    expected = N * 2 * stats.norm.sf(3)
    assert abs(count - expected) < 4 * expected**0.5


@pytest.mark.parametrize(
    ("key", "other"),
    [(0, 1), (1, 2), (5, 5 + 2**32), (-1, 0), (2**31 - 1, 2**31), (0, -(2**63))],
)
def test_neighbouring_keys_are_independent(api, key, other):
    a, b = draw(api, "normal", key), draw(api, "normal", other)
    for lag in (0, 1, 2, 3, 4):
        assert abs(np.corrcoef(a, np.roll(b, lag))[0, 1]) < 4.5 / N**0.5
    assert abs(np.corrcoef(a**2, b**2)[0, 1]) < 4.5 / N**0.5


def test_streams_and_folds_are_independent(api):
    key = 77
    folded = int(fold_seed(torch.tensor([key]), 1)[0])
    noise = [
        draw(api, "normal", key),
        draw(api, "normal", key, stream=1),
        draw(api, "normal", key, stream=2**32),
        draw(api, "normal", folded),
    ]
    correlation = np.corrcoef(np.stack(noise)) - np.eye(4)
    assert np.abs(correlation).max() < 4.5 / N**0.5


def test_elements_of_a_key_are_independent(api):
    z = draw(api, "normal", 8)
    for lag in (1, 2, 3, 4, 8, 1024):
        assert abs(np.corrcoef(z[:-lag], z[lag:])[0, 1]) < 4.5 / N**0.5
        # the two normals of a Box-Muller pair share their radius: squares must not
        assert abs(np.corrcoef(z[:-lag] ** 2, z[lag:] ** 2)[0, 1]) < 4.5 / N**0.5


def test_pairs_fill_the_square(api):
    """Chi-square of successive uniform pairs over 16 x 16 cells."""
    u = draw(api, "uniform", 21).reshape(-1, 2)
    counts, _, _ = np.histogram2d(u[:, 0], u[:, 1], bins=16, range=[[0, 1], [0, 1]])
    assert 1e-4 < stats.chisquare(counts.ravel()).pvalue < 1 - 1e-4
