"""k-NN divergence: closed forms of Gaussians, its floor, copies, and what is refused."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree

from genbench.errors import InputError
from genbench.metrics import knn_divergence, knn_divergence_estimate


def normal(n, d, seed, scale=1.0, shift=0.0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) * scale + shift


def gaussian_kl(d, scale, shift):
    """KL(N(0, I) || N(shift, scale^2 I)), nats."""
    return d / 2 * (1 / scale**2 + (shift / scale) ** 2 - 1 + 2 * math.log(scale))


@pytest.mark.parametrize(
    ("d", "scale", "shift", "bias"),  # of these sizes, over 100 repetitions: -+ .01
    [(1, 2.0, 1.0, 0.004), (2, 1.5, 0.5, 0.016), (3, 1.25, -0.3, 0.038)],
)
def test_gaussians(d, scale, shift, bias):
    found = [
        knn_divergence(
            real=normal(1500, d, 2 * s), fake=normal(1200, d, 2 * s + 1, scale, shift), splits=1
        ).divergence
        for s in range(12)
    ]
    mean, error = np.mean(found).item(), np.std(found, ddof=1).item() / 12**0.5
    assert mean == pytest.approx(gaussian_kl(d, scale, shift) + bias, abs=0.01 + 4 * error)
    assert error < 0.015


@pytest.mark.parametrize("k", [1, 4])
def test_against_search_trees(k):
    """The paper's formula with another library's neighbours."""
    real, fake = normal(80, 3, 0), normal(50, 3, 1, 1.3)
    r = KDTree(real.numpy()).query(real.numpy(), k=k + 1)[0][:, -1]
    s = KDTree(fake.numpy()).query(real.numpy(), k=k)[0].reshape(80, k)[:, -1]
    expected = 3 / 80 * np.log(s / r).sum() + math.log(50 / 79)
    found = knn_divergence(real=real, fake=fake, k=k).divergence
    assert found == pytest.approx(expected, rel=1e-12)
    assert knn_divergence(real=fake, fake=real, k=k).divergence != pytest.approx(expected, rel=0.1)


def test_hand_case():
    """Three rows on a line, k = 1."""
    real = torch.tensor([[0.0], [1.0], [3.0]])
    fake = torch.tensor([[-2.0], [2.0]])
    # r = 1, 1, 2 and s = 2, 1, 1: the logarithms cancel, ln(M / (N - 1)) = ln 1 stays
    assert knn_divergence(real=real, fake=fake, k=1).divergence == pytest.approx(0, abs=1e-15)
    moved = knn_divergence(real=real, fake=fake - 4, k=1).divergence  # s = 2, 3, 5
    assert moved == pytest.approx(math.log(2 * 3 * 5 / 2) / 3, rel=1e-15)


def test_perfect_samples_score_the_floor():
    """In ten dimensions the estimate is biased; floor and perfect samples share the bias."""
    scores = [
        knn_divergence(real=normal(400, 10, s) ** 3, fake=normal(200, 10, 99 + s) ** 3)
        for s in range(12)
    ]
    values = torch.tensor(scores, dtype=torch.float64)
    gap = values[:, 0] - values[:, 1]
    assert abs(gap.mean().item()) < 4 * gap.std().item() / 12**0.5 + 0.05  # half the rows: .03
    worse = knn_divergence(real=normal(400, 10, 0) ** 3, fake=normal(200, 10, 1) ** 3 + 1)
    assert worse.divergence > worse.floor + 1


def test_scale_shift_and_threads_change_nothing():
    real, fake = normal(300, 4, 0), normal(200, 4, 1, 1.2)
    score = knn_divergence(real=real, fake=fake)
    assert knn_divergence(real=real * 8 + 1, fake=fake * 8 + 1) == pytest.approx(score, rel=1e-9)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        assert knn_divergence(real=real, fake=fake) == score
    finally:
        torch.set_num_threads(before)
    assert knn_divergence(real=real, fake=fake, seed=1).floor != score.floor


def test_copies_stay_finite_and_fall_below_the_floor():
    real = normal(200, 5, 0)
    for fake in (real.repeat(6, 1), real[:50].repeat(8, 1)):
        score = knn_divergence(real=real, fake=fake)
        assert math.isfinite(score.divergence)
        # at least a quarter of the rows with the smallest of all distances in place of 0
        assert score.divergence < score.floor - 0.5
    ones = torch.ones(30, 2)
    assert knn_divergence(real=ones, fake=ones[:20]).divergence == pytest.approx(math.log(20 / 29))
    twins = real[:20].repeat(10, 1)  # real rows with copies of their own
    assert math.isfinite(knn_divergence(real=twins, fake=normal(30, 5, 1)).divergence)


def test_one_fake_many_times_is_far():
    real = normal(300, 3, 0)
    score = knn_divergence(real=real, fake=torch.zeros(300, 3, dtype=torch.float64))
    assert score.divergence > score.floor + 2


def test_intervals():
    real, fake = normal(300, 2, 0), normal(250, 2, 1)
    plain = knn_divergence(real=real, fake=fake)
    found = knn_divergence_estimate(real=real, fake=fake)
    assert (found.divergence.value, found.floor.value) == pytest.approx(plain, rel=1e-12)
    assert found.divergence.low < found.divergence.value < found.divergence.high
    with pytest.raises(InputError, match="splits: an interval needs at least 2, got 1"):
        knn_divergence_estimate(real=real, fake=fake, splits=1)
    with pytest.raises(InputError, match=r"4 \(k \+ 1\) = 24 rows of each, got 300 and 23"):
        knn_divergence_estimate(real=real, fake=fake[:23])


@pytest.mark.parametrize(("n", "width"), [(200, 0.42), (40, 2.4), (24, math.inf)])
def test_the_interval_covers_the_mean_of_repetitions(n, width):
    """16 groups, three and two: few values have Student's quantiles."""
    found = [
        knn_divergence_estimate(
            real=normal(n, 2, s), fake=normal(n, 2, 500 + s, 1.5), splits=2
        ).divergence
        for s in range(100)
    ]
    mean = sum(estimate.value for estimate in found) / 100
    covered = sum(estimate.low <= mean <= estimate.high for estimate in found) / 100
    assert covered >= 0.86  # 4 standard deviations of 100 trials at .95
    assert sum(e.high - e.low for e in found) / 100 < width  # 2 t deviations, and a fifth


def test_the_floors_error_is_its_spread_over_other_splits():
    real, fake = normal(120, 2, 0), normal(120, 2, 1)
    found = [knn_divergence_estimate(real=real, fake=fake, seed=s).floor for s in range(100)]
    values = torch.tensor([estimate.value for estimate in found])
    stated = torch.tensor([estimate.standard_error for estimate in found]).square().mean().sqrt()
    # a deviation of 100 values: 7 %, three times that
    assert stated.item() == pytest.approx(values.std().item(), rel=0.21)


@pytest.mark.parametrize(
    ("sizes", "k", "line"),
    [
        ((10, 20), 5, r"real: must have at least 2 k \+ 1 = 11 rows, got 10"),
        ((20, 4), 5, "fake: must have at least 5 rows, got 4"),
        ((20, 20), 0, "k: must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_arguments_are_refused(sizes, k, line):
    with pytest.raises(InputError, match=line):
        knn_divergence(real=torch.zeros(sizes[0], 2), fake=torch.zeros(sizes[1], 2), k=k)


def test_rows_that_are_not_finite_and_other_widths_are_refused():
    with pytest.raises(InputError, match="fake: must be finite"):
        knn_divergence(real=torch.zeros(20, 2), fake=torch.full((20, 2), math.nan))
    with pytest.raises(InputError, match="same width, got 2 and 3"):
        knn_divergence(real=torch.zeros(20, 2), fake=torch.zeros(20, 3))
