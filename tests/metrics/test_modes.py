"""Mode coverage: hand cases, Monte Carlo floors, and the mistakes others made."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from genbench.data import Mixture, mixture
from genbench.errors import InputError
from genbench.metrics import mode_coverage, mode_coverage_estimate, perfect_sampler
from genbench.metrics.intervals import share_estimate

RING, GRID = mixture("ring8"), mixture("grid25")


def on_modes(counts, m=RING):
    return torch.repeat_interleave(m.means, torch.tensor(counts), dim=0)


def test_by_hand():
    # weights 1/8; 16 samples: a mode is held from 16 / 8 / 5 = .4 samples on, so from one
    counts = [8, 4, 2, 0, 0, 0, 0, 0]
    far = torch.full((2, 2), 9.0, dtype=torch.float64)
    score = mode_coverage(torch.cat([on_modes(counts), far]), RING)
    assert (score.modes, score.modes_held) == (3, 3)
    assert score.high_quality == pytest.approx(14 / 16)
    p = [8 / 14, 4 / 14, 2 / 14]
    assert score.kl == pytest.approx(sum(x * math.log(x * 8) for x in p))
    off = math.exp(-4.5)
    bins = [x * math.log(x / ((1 - off) / 8)) for x in (8 / 16, 4 / 16, 2 / 16)]
    assert score.kl_off_mode == pytest.approx(sum(bins) + 2 / 16 * math.log(2 / 16 / off))


def test_held_needs_a_fifth_of_the_weight():
    # 400 samples, weight 50 each: 10 hold a mode, 9 do not
    counts = [10, 9, 381, 0, 0, 0, 0, 0]
    score = mode_coverage(on_modes(counts), RING)
    assert (score.modes, score.modes_held) == (3, 2)


@pytest.mark.parametrize("modes", range(1, 12))
def test_exactly_a_fifth_of_the_weight_holds_a_mode(modes):
    m = Mixture("line", torch.arange(modes).double()[:, None] * 100, 1.0)
    for held in range(1, 20):  # of 5 x held, a mode's weight
        counts = torch.full((modes,), held)
        far = torch.full((4 * held * modes, 1), -50.0, dtype=torch.float64)
        x = torch.cat([on_modes(counts.tolist(), m), far])
        assert mode_coverage(x, m).modes_held == modes
        fewer = mode_coverage(torch.cat([x[1:], far[:1]]), m)
        assert fewer.modes_held == modes - 1


def test_three_sigma_is_of_high_quality_and_more_is_not():
    m = Mixture("two", torch.tensor([[0.0, 0.0], [100.0, 0.0]], dtype=torch.float64), 1.0)
    x = torch.tensor([[3.0, 0.0], [100.0, -3.0], [0.0, 3.0 + 1e-15]], dtype=torch.float64)
    assert mode_coverage(x, m).high_quality == 2 / 3


@pytest.mark.parametrize("counts", [[50] * 8, [400] + [0] * 7])
def test_shares_that_log_ratios_do_not_spread_have_the_error_of_chi_squared(counts):
    # equal shares, or one alone: first order vanishes; 2 n KL has a variance of 2 (K - 1)
    found = mode_coverage_estimate(on_modes(counts), RING).kl
    assert found.standard_error == pytest.approx(math.sqrt(2 * 7) / (2 * 400), rel=1e-12)


def test_a_cloud_visits_every_mode_and_holds_none():
    cloud = torch.rand(10_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    score = mode_coverage(cloud * 10 - 5, GRID)
    # each disc of 3 sigma holds pi .15^2 / 100 of the square: 1.8 % in all, under a fifth of a mode
    assert score.modes == 25 and score.modes_held <= 1
    assert score.high_quality == pytest.approx(25 * math.pi * 0.15**2 / 100, abs=0.004)


def test_collapse_is_ln_k():
    score = mode_coverage(on_modes([100, 0, 0, 0, 0, 0, 0, 0]), RING)
    assert score.kl == pytest.approx(math.log(8)) and score.modes == 1


def test_nothing_good_has_no_kl():
    score = mode_coverage(torch.full((10, 2), 50.0), RING)
    assert (score.modes, score.modes_held, score.high_quality) == (0, 0, 0.0)
    # the mass beyond three sigma is exp(-4.5), in float64
    assert math.isnan(score.kl) and score.kl_off_mode == pytest.approx(4.5, rel=1e-12)


@pytest.mark.parametrize(("m", "n"), [(RING, 2500), (GRID, 2500), (GRID, 60)])
def test_perfect_sampler_is_what_its_samples_score_on_average(m, n):
    rng = torch.Generator().manual_seed(1)
    trials = [mode_coverage(m.sample(n, rng), m) for _ in range(200)]
    expected = perfect_sampler(m, n)
    for key in ("modes", "modes_held", "high_quality", "kl", "kl_off_mode"):
        values = torch.tensor([getattr(t, key) for t in trials], dtype=torch.float64)
        error = 4 * values.std().item() / math.sqrt(200) + 1e-9
        if n == 60 and key.startswith("kl"):
            error += 0.15 * getattr(expected, key)  # first order in bins / n, here 25 / 60
        assert values.mean().item() == pytest.approx(getattr(expected, key), abs=error), key


def mean_kl(shares, n):
    """Of n draws from these shares, exactly: a bin's count is binomial."""
    c = np.arange(1, n + 1)
    terms = [stats.binom.pmf(c, n, q) @ (c / n * np.log(c / (n * q))) for q in shares]
    return math.fsum(terms)


@pytest.mark.parametrize("m", [RING, GRID])
def test_floors_of_kl_are_exact_to_first_order(m):
    n, inside = 2500, 1 - math.exp(-4.5)
    modes, found = len(m.means), perfect_sampler(m, n)
    # the next order is (sum of 1 / q) / 12 n^2: .1 % of the first for 8 modes, .3 % for 25
    good = mean_kl([1 / modes] * modes, round(n * inside))
    assert found.kl == pytest.approx(good, rel=0.005)
    every = mean_kl([inside / modes] * modes + [1 - inside], n)
    assert found.kl_off_mode == pytest.approx(every, rel=0.005)


def test_published_floors():
    assert perfect_sampler(RING, 2500).high_quality == pytest.approx(0.98889, abs=1e-5)
    assert perfect_sampler(RING, 2500).kl == pytest.approx(0.0014, abs=5e-5)
    assert perfect_sampler(GRID, 2500).kl == pytest.approx(0.0048, abs=1e-4)


@given(st.lists(st.integers(0, 40), min_size=8, max_size=8).filter(any))
def test_kl_lies_between_its_bounds(counts):
    score = mode_coverage(on_modes(counts), RING)
    assert math.log(8 / score.modes) - 1e-12 <= score.kl <= math.log(8) + 1e-12
    assert score.modes_held <= score.modes


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_order_blocks_and_dtype_do_not_matter(dtype):
    x = RING.sample(20_000, torch.Generator().manual_seed(2)).to(dtype)
    shuffled = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(3))]
    assert mode_coverage(x, RING) == mode_coverage(shuffled, RING)


def test_three_sigma_in_many_dimensions():
    m = Mixture("far", torch.eye(10, dtype=torch.float64) * 100, 1.0)
    rng = torch.Generator().manual_seed(4)
    score = mode_coverage(m.sample(20_000, rng), m)
    expected = perfect_sampler(m, 20_000).high_quality
    assert score.high_quality == pytest.approx(expected, abs=4 * math.sqrt(expected / 20_000))


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (torch.zeros(3, 3), r"samples: must be \(N, 2\), got shape \(3, 3\)"),
        (torch.zeros(3), r"samples: must be \(N, d\) with d >= 1, got shape \(3,\)"),
        (torch.zeros(0, 2), "samples: must have at least 1 rows"),
        (torch.tensor([[0.0, 0.0], [float("nan"), 1.0]]), "in row 1"),
        (torch.tensor([[float("inf"), 1.0]]), "in row 0"),
        (torch.zeros(3, 2, dtype=torch.int64), "samples: must be floating, got int64"),
        ("points", "samples: must be a tensor or an array"),
    ],
)
@pytest.mark.parametrize("metric", [mode_coverage, mode_coverage_estimate])
def test_bad_samples_are_refused(metric, samples, words):
    with pytest.raises(InputError, match=words):
        metric(samples, RING)


def test_duplicates_weigh_what_they_count():
    x = RING.sample(300, torch.Generator().manual_seed(5))
    # to the last bits: the shares are quotients of other numbers
    assert mode_coverage(x.repeat(2, 1), RING) == pytest.approx(mode_coverage(x, RING), rel=1e-12)


def test_threads_and_arrays_do_not_matter():
    x = GRID.sample(40_000, torch.Generator().manual_seed(6))
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(mode_coverage_estimate(x, GRID, repeats=10))
    torch.set_num_threads(1)
    assert found[0] == found[1] == mode_coverage_estimate(x.numpy(), GRID, repeats=10)


@given(st.floats(0, 2 * math.pi), st.floats(-100, 100), st.floats(-100, 100), st.integers(0, 2**32))
def test_translation_and_rotation_move_nothing(angle, right, up, seed):
    x = RING.sample(200, torch.Generator().manual_seed(seed))
    margin = torch.cdist(x, RING.means).min(dim=1).values / RING.sigma - 3
    assume(bool((margin.abs() > 1e-9).all()))  # rounding may carry a point over the border
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
        dtype=torch.float64,
    )
    shift = torch.tensor([right, up], dtype=torch.float64)
    moved = Mixture("moved", RING.means @ turn.T + shift, RING.sigma)
    assert mode_coverage(x @ turn.T + shift, moved) == mode_coverage(x, RING)


def test_the_estimate_holds_the_values():
    x = torch.cat([RING.sample(500, torch.Generator().manual_seed(7)), on_modes([99] + [0] * 7)])
    plain, found = mode_coverage(x, RING), mode_coverage_estimate(x, RING)
    for name, value, estimate in zip(plain._fields, plain, found, strict=True):
        assert estimate.value == value and estimate.low <= value <= estimate.high, name
    assert found == mode_coverage_estimate(x, RING)
    assert found.high_quality == share_estimate(round(plain.high_quality * 599), 599)


def test_without_a_good_sample_there_is_no_interval_of_the_kl():
    found = mode_coverage_estimate(torch.full((10, 2), 50.0), RING)
    assert all(math.isnan(x) for x in found.kl)
    assert found.modes == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param([1 / 8] * 8, id="equal"),
        pytest.param([0.3, 0.2, 0.15, 0.1, 0.1, 0.1, 0.03, 0.02], id="uneven"),
        pytest.param([0.9, 0.1, 0, 0, 0, 0, 0, 0], id="collapsed"),
    ],
)
def test_intervals_cover(shares):
    # 500 samples on the modes of the ring, a tenth of them far off: modes are seen or missed
    # alike in all repeats here, so that only the continuous values are judged
    n, repeats = 500, 400
    rng = torch.Generator().manual_seed(8)
    law = torch.tensor([0.9 * share for share in shares] + [0.1], dtype=torch.float64)
    places = torch.cat([RING.means, torch.full((1, 2), 9.0, dtype=torch.float64)])
    found = [
        mode_coverage_estimate(
            places[torch.multinomial(law, n, replacement=True, generator=rng)], RING, repeats=2
        )
        for _ in range(repeats)
    ]
    slack = 4 * math.sqrt(0.95 * 0.05 / repeats)  # four standard errors of a counted share
    for name in ("high_quality", "kl", "kl_off_mode"):
        estimates = [getattr(f, name) for f in found]
        truth = sum(e.value for e in estimates) / repeats
        covered = sum(e.low <= truth <= e.high for e in estimates) / repeats
        assert covered >= 0.95 - slack, name


def test_the_interval_of_the_modes_is_that_of_their_loss():
    # 60 samples on five modes and one on a sixth: lost with (1 - 1 / 61)^61, a binomial of one draw
    found = mode_coverage_estimate(on_modes([12, 12, 12, 12, 12, 1, 0, 0]), RING, repeats=2_000)
    lost = (1 - 1 / 61) ** 61
    error = math.sqrt(lost * (1 - lost))
    # the share of losses among 2,000 draws moves the deviation by less than 2 %
    assert found.modes.standard_error == pytest.approx(error, rel=0.02)
    assert found.modes.value == 6


@pytest.mark.cuda
def test_cuda_agrees():
    x = RING.sample(5_000, torch.Generator().manual_seed(9))
    assert mode_coverage(x.cuda(), RING) == mode_coverage(x, RING)
