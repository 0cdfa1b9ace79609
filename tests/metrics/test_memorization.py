"""Memorisation: planted copies are found, fresh samples pass, closed forms and scipy agree."""

import math

import numpy as np
import pytest
import torch
from draws import normal
from scipy.stats import mannwhitneyu

from genbench.errors import InputError
from genbench.metrics import memorization, memorization_estimate

# Share of points whose nearest neighbour has them as its own (Clark and Evans 1955): 2/3 on a line,
# 6 pi / (8 pi + 3 sqrt 3) in a plane. A fresh sample of these is not authentic.
MUTUAL = {1: 2 / 3, 2: 6 * math.pi / (8 * math.pi + 3 * math.sqrt(3))}


@pytest.mark.parametrize("d", [1, 2])
def test_perfect_samples_by_geometry(d):
    score = memorization_estimate(real=normal(4000, d, 0), fake=normal(4000, d, 1))
    tolerance = 4 * math.sqrt(0.25 / 4000)  # a share of 4000
    assert score.authentic.value == pytest.approx(1 - MUTUAL[d], abs=tolerance)
    assert score.authentic_perfect.value == pytest.approx(1 - MUTUAL[d], abs=tolerance)
    assert score.authentic.low < 1 - MUTUAL[d] < score.authentic.high


def test_hand_case():
    """Reals at 0, 4, 10: their nearest others at 4, 4, 6."""
    real = torch.tensor([[0.0], [4.0], [10.0], [30.0]])
    fake = torch.tensor([[5.0], [-4.0], [10.0], [17.0], [-5.0]])
    score = memorization(real=real, fake=fake)
    # 5 is nearer to 4 than 0 is; 10 is a copy; -4 ties and 17, -5 lie farther out than real rows
    assert score.authentic == 3 / 5
    assert score.exact_copies == 1 and score.near_copies == 1
    assert score.closest[0] == (2, 2, 0.0) and score.closest[1][:2] == (0, 1)
    # median of 4, 4, 6, 20 by torch: the lower of the middle ones
    assert [pair.distance for pair in score.closest] == [0, 1 / 4, 1, 5 / 4, 7 / 4]


def test_swapping_changes_everything():
    real, fake = torch.tensor([[0.0], [4.0], [10.0], [30.0]]), torch.tensor([[5.0]] * 3 + [[6.0]])
    assert memorization(real=real, fake=fake).authentic == 0
    # seen from the fakes, which lie together, no real row is close
    assert memorization(real=fake, fake=real).authentic == 1


def test_planted_copies_are_found():
    real, fake = normal(500, 20, 0), normal(400, 20, 1)
    fake[[7, 70]] = real[[3, 30]]
    fake[200] = real[100] + 1e-3
    score = memorization(real=real, fake=fake)
    assert (score.exact_copies, score.near_copies, score.near_copies_perfect) == (2, 3, 0)
    assert [pair[:2] for pair in score.closest[:3]] == [(7, 3), (70, 30), (200, 100)]
    assert score.closest[1].distance == 0 < score.closest[2].distance < 0.01
    assert score.closest[3].distance > 0.3


def test_copies_of_rows_that_have_twins_are_not_authentic():
    real = normal(40, 3, 0).repeat(2, 1)  # every nearest other is at distance 0
    score = memorization(real=real, fake=real[:40])
    assert score.authentic == 0 and score.exact_copies == 40
    assert {pair.distance for pair in score.closest} == {0.0}
    fresh = memorization(real=real, fake=normal(40, 3, 1))
    assert fresh.authentic == 1 and fresh.closest[0].distance == math.inf


def test_a_perfect_samplers_near_copies_are_in_proportion():
    """Twins in the training set: half of them meet across the halves."""
    real = normal(100, 3, 0).repeat(2, 1)
    fake = normal(50, 3, 1)
    few = memorization(real=real, fake=fake).near_copies_perfect
    assert few == pytest.approx(50 * 0.5, abs=4 * math.sqrt(50**2 * 0.25 / 100))
    assert memorization(real=real, fake=fake.repeat(3, 1)).near_copies_perfect == 3 * few


def test_identical_rows_everywhere():
    ones = torch.ones(10, 2)
    score = memorization(real=ones, fake=ones[:3], held_out=ones[:5])
    assert (score.authentic, score.exact_copies, score.c_t) == (0, 3, 0.0)


@pytest.mark.parametrize("ties", [False, True])
def test_the_statistic_is_that_of_mann_and_whitney(ties):
    real, fake, held = normal(200, 2, 0), normal(150, 2, 1) * 1.1, normal(90, 2, 2)
    if ties:
        real, fake, held = (x.round() for x in (real, fake, held))

    def nearest(x):
        return ((x[:, None] - real[None]) ** 2).sum(2).min(1).values.numpy()

    peer = mannwhitneyu(
        nearest(fake), nearest(held), use_continuity=False, method="asymptotic", axis=0
    )
    found = memorization(real=real, fake=fake, held_out=held).c_t
    assert found is not None
    # peer has the two-sided tail alone: of the same |z|, up to its rounding
    tail = math.erfc(abs(found) / math.sqrt(2))
    assert tail == pytest.approx(peer.pvalue, rel=1e-9)
    assert (found > 0) == (peer.statistic > 150 * 90 / 2)


def test_the_sign_tells_copying_from_staying_away():
    real, held = normal(400, 3, 0), normal(300, 3, 1)
    near = real[:300] + 0.05 * normal(300, 3, 2)
    copying = memorization(real=real, fake=near, held_out=held).c_t
    away = memorization(real=real, fake=normal(300, 3, 3) * 2, held_out=held).c_t
    assert copying is not None and away is not None
    assert copying < -10 and away > 3


def test_fresh_samples_pass_at_the_level():
    """c_t of perfect samples is standard normal; 60 trials, 4 standard errors."""
    found = []
    for s in range(60):
        score = memorization(
            real=normal(200, 2, s), fake=normal(150, 2, 100 + s), held_out=normal(150, 2, 200 + s)
        )
        found.append(score.c_t)
    # the same real rows serve both: less spread than 1, never more
    assert abs(np.mean(found)) < 4 / 60**0.5 and 0.7 < np.std(found) < 1 + 4 / 120**0.5


def test_the_interval_of_the_share_covers():
    truth = memorization(real=normal(300, 4, 0), fake=normal(8000, 4, 1)).authentic
    covered = 0
    for s in range(150):
        share = memorization_estimate(
            real=normal(300, 4, 0), fake=normal(120, 4, 10 + s), level=0.9
        ).authentic
        covered += share.low <= truth <= share.high
    assert 0.8 <= covered / 150 <= 0.99  # 4 standard deviations at .9


def test_estimates_carry_the_same_values_and_threads_change_nothing():
    sets = [normal(n, 3, n) for n in (200, 150, 100)]
    plain = memorization(real=sets[0], fake=sets[1], held_out=sets[2])
    found = memorization_estimate(real=sets[0], fake=sets[1], held_out=sets[2])
    assert found.authentic.value == plain.authentic and found.c_t is not None
    assert (found.c_t.value, found.c_t.standard_error) == (plain.c_t, 1)
    assert found.authentic_perfect.value == plain.authentic_perfect
    assert found[2:6] == plain[2:6]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        assert memorization(real=sets[0], fake=sets[1], held_out=sets[2]) == plain
    finally:
        torch.set_num_threads(before)
    assert memorization(real=sets[0], fake=sets[1]).c_t is None


def test_progress_reaches_its_end():
    calls = []
    memorization(
        real=normal(101, 2, 0),
        fake=normal(50, 2, 1),
        held_out=normal(20, 2, 2),
        progress=lambda done, of: calls.append((done, of)),
    )
    assert calls[-1][0] == calls[-1][1] and len({of for _, of in calls}) == 1


@pytest.mark.parametrize(
    ("real", "fake", "held_out", "line"),
    [
        (torch.zeros(3, 2), torch.zeros(5, 2), None, "real: must have at least 4 rows, got 3"),
        (torch.zeros(5, 2), torch.zeros(0, 2), None, "fake: must have at least 1 rows, got 0"),
        (torch.zeros(5, 2), torch.zeros(5, 3), None, "same width, got 2 and 3"),
        (torch.zeros(5, 2), torch.zeros(5, 2), torch.zeros(5, 3), "held_out: must have the width"),
        (torch.full((5, 2), math.nan), torch.zeros(5, 2), None, "real: must be finite"),
        (torch.zeros(5, 2), torch.zeros(5, 2), torch.full((5, 2), math.inf), "held_out: must be"),
    ],
)
def test_bad_features_are_refused(real, fake, held_out, line):
    with pytest.raises(InputError, match=line):
        memorization(real=real, fake=fake, held_out=held_out)
