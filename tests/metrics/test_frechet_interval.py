"""Intervals of the Frechet distance hold the truth; its limit has no bias."""

import math

import pytest
import torch
from draws import FLOAT64, normal

from genbench.errors import InputError
from genbench.metrics import frechet_interval as module
from genbench.metrics.frechet import (
    frechet_distance,
    frechet_distance_from_moments,
    side_of_rows,
)
from genbench.metrics.frechet_interval import (
    _spread_by_bootstrap,
    frechet_distance_estimate,
    frechet_distance_infinity,
    frechet_distance_infinity_estimate,
    spread_by_influence,
)
from genbench.metrics.intervals import bootstrap_estimate

pytestmark = [
    pytest.mark.filterwarnings("ignore:frechet distance"),
    pytest.mark.usefixtures("one_thread"),
]
REPEATS = 200
SLACK = 3 * math.sqrt(0.95 * 0.05 / REPEATS)  # three standard errors of a counted share


def laws(d, n, m, seed, *, equal=False):
    """Samples of N(0, I) and of N(.3, diag(1.8^2, 1.2^2, ...)), or of N(0, I) twice."""
    real, fake = normal(n, d, 2 * seed), normal(m, d, 2 * seed + 1)
    return real, fake if equal else fake * spread(d) + 0.3


def spread(d):
    scale = torch.full((d,), 1.2, dtype=FLOAT64)
    scale[0] = 1.8
    return scale


def truth(d):
    return 0.09 * d + (spread(d) - 1).square().sum().item()


@pytest.mark.parametrize(
    ("d", "n", "m", "equal", "most"),
    # where d / n is large, or both laws are equal, the closed form is too wide
    [(4, 200, 300, False, 0.97), (16, 200, 150, False, 1.0), (6, 200, 200, True, 1.0)],
)
def test_the_interval_covers_the_mean_value(d, n, m, equal, most):
    found = [
        frechet_distance_estimate(**dict(zip(("real", "fake"), pair, strict=True)))
        for pair in (laws(d, n, m, seed, equal=equal) for seed in range(REPEATS))
    ]
    values = torch.tensor([e.value for e in found])
    mean, error = values.mean().item(), values.std().item()
    assert 0.94 - SLACK <= sum(e.low <= mean <= e.high for e in found) / REPEATS <= most + SLACK
    stated = torch.tensor([e.standard_error for e in found]).mean().item()
    assert 0.85 * error <= stated <= (1.25 if not equal else 1.8) * error
    real, fake = laws(d, n, m, 0, equal=equal)
    assert found[0].value == frechet_distance(real=real, fake=fake)


def test_the_limit_has_no_bias_and_its_interval_covers_the_truth():
    d, n, m = 8, 200, 160
    found, plain = [], []
    for seed in range(REPEATS):
        real, fake = laws(d, n, m, seed)
        found.append(frechet_distance_infinity_estimate(real=real, fake=fake, both=True))
        plain.append(frechet_distance(real=real, fake=fake))
    values = torch.tensor([e.value for e in found])
    error = 4 * values.std().item() / math.sqrt(REPEATS)
    bias = sum(plain) / REPEATS - truth(d)
    assert bias > 2 * error
    # next order in d / m: .6 d / m of the bias
    assert values.mean().item() == pytest.approx(truth(d), abs=error + 0.6 * d / m * bias)
    covered = sum(e.low <= truth(d) <= e.high for e in found) / REPEATS
    assert 0.94 - SLACK <= covered <= 1.0


def test_the_limit_against_a_fixed_real_set():
    d, m = 6, 150
    real = normal(60, d, 10_000)
    law = (torch.full((d,), 0.3, dtype=FLOAT64), torch.diag(spread(d) ** 2))
    fixed = frechet_distance_from_moments(real=(real.mean(0), real.T.cov()), fake=law)
    found = [
        frechet_distance_infinity_estimate(real=real, fake=laws(d, 2, m, seed)[1])
        for seed in range(REPEATS)
    ]
    values = torch.tensor([e.value for e in found])
    error = 4 * values.std().item() / math.sqrt(REPEATS)
    bias = d / m + d * (d + 1) / (4 * m)
    assert values.mean().item() == pytest.approx(fixed, abs=error + 0.6 * d / m * bias * 1.8**2)
    covered = sum(e.low <= fixed <= e.high for e in found) / REPEATS
    assert 0.94 - SLACK <= covered <= 1.0


def test_equal_laws_are_at_zero_in_the_limit():
    found = [
        frechet_distance_infinity(
            real=normal(300, 5, 2 * s), fake=normal(300, 5, 2 * s + 1), both=True
        )
        for s in range(60)
    ]
    values = torch.tensor(found)
    assert values.min() < 0 < values.max()
    assert abs(values.mean().item()) <= 4 * values.std().item() / math.sqrt(60)


def bootstrap(real, fake):
    def resampled(rng):
        rows = (x[torch.randint(len(x), (len(x),), generator=rng)] for x in (real, fake))
        return frechet_distance(**dict(zip(("real", "fake"), rows, strict=True)))

    return bootstrap_estimate(0.0, resampled, repeats=300).standard_error


@pytest.mark.parametrize("rank", [5, 3])
def test_the_closed_form_is_what_a_bootstrap_finds(rank):
    # rank 3: the fakes lie in a subspace, on either side
    real, fake = laws(5, 400, 500, 7)
    fake = fake[:, :rank] @ normal(rank, 5, 8)
    expected = bootstrap(real, fake)
    # 300 repeats know a standard error to 4 %, three times that
    for one, two in ((real, fake), (fake, real)):
        found = frechet_distance_estimate(real=one, fake=two)
        assert found.standard_error == pytest.approx(expected, rel=0.12)
        assert spread_by_influence(one, two, (side_of_rows(one), side_of_rows(two)))
    # four times the fakes: a quarter of their share alone, up to N - 1
    for one, two, name in ((real, fake, "fake"), (fake, real, "real")):
        before = spread_by_influence(one, two, (side_of_rows(one), side_of_rows(two)))
        one, two = (x.repeat(4, 1) if x is fake else x for x in (one, two))
        after = spread_by_influence(one, two, (side_of_rows(one), side_of_rows(two)))
        assert before and after
        expected = before._replace(**{name: getattr(before, name) / 4})
        assert after == pytest.approx(expected, rel=0.02)


def test_dead_columns_change_nothing():
    real, fake = laws(5, 100, 120, 3)
    dead = torch.nn.functional.pad(real, (0, 2)), torch.nn.functional.pad(fake, (0, 2))
    found = frechet_distance_estimate(real=dead[0], fake=dead[1])
    assert found == pytest.approx(frechet_distance_estimate(real=real, fake=fake), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(12, 9), (12, 60), (60, 12)])
def test_few_rows_are_drawn_again(n, m):
    real, fake = normal(n, 20, 0), normal(m, 20, 1) * 1.5
    found = frechet_distance_estimate(real=real, fake=fake, seed=3)
    assert found.value == frechet_distance(real=real, fake=fake)
    # 100 and 300 repeats: 7 % and 4 %, three times that together
    assert found.standard_error == pytest.approx(bootstrap(real, fake), rel=0.25)
    assert found == frechet_distance_estimate(real=real, fake=fake, seed=3)
    assert found != frechet_distance_estimate(real=real, fake=fake, seed=4)


def test_the_interval_ends_at_zero_and_widens_with_its_level():
    real, fake = laws(3, 30, 30, 0, equal=True)
    narrow = frechet_distance_estimate(real=real, fake=fake, level=0.5)
    wide = frechet_distance_estimate(real=real, fake=fake, level=0.999)
    assert 0 == wide.low <= narrow.low < narrow.high < wide.high
    assert frechet_distance_estimate(real=real, fake=real).value == 0


def test_constant_sets_have_no_spread():
    found = frechet_distance_estimate(real=torch.zeros(9, 2), fake=torch.ones(9, 2))
    assert found == pytest.approx((2, 2, 2, 0), abs=1e-12)
    found = frechet_distance_infinity_estimate(real=torch.zeros(20, 2), fake=torch.ones(20, 2))
    assert found == pytest.approx((2, 2, 2, 0), abs=1e-12)


def test_only_the_named_set_is_extrapolated():
    real, fake = laws(4, 60, 60, 1)
    one = frechet_distance_infinity(real=real, fake=fake)
    swapped = frechet_distance_infinity(real=fake, fake=real)
    both = frechet_distance_infinity(real=real, fake=fake, both=True)
    plain = frechet_distance(real=real, fake=fake)
    assert len({one, swapped, both, plain}) == 4 and both < min(one, swapped) < plain
    again = frechet_distance_estimate(real=fake, fake=real).standard_error
    assert again == pytest.approx(frechet_distance_estimate(real=real, fake=fake).standard_error)


def test_splits_lie_on_a_line():
    # by hand from the values at M, M / 2, M / 3: intercept of the line through (1, 2, 3)
    real, fake = laws(3, 40, 60, 2)
    order = torch.Generator().manual_seed(5)
    torch.randperm(40, generator=order)
    fake_order = torch.randperm(60, generator=order)
    y = []
    for k in (1, 2, 3):
        parts = fake[fake_order].split(60 // k)
        y.append(sum(frechet_distance(real=real, fake=part) for part in parts) / k)
    expected = (4 * y[0] + y[1] - 2 * y[2]) / 3
    found = frechet_distance_infinity(real=real, fake=fake, splits=3, seed=5)
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_limits_error_joins_the_line_and_the_sets_that_are_drawn():
    real, fake = laws(4, 120, 60, 3)

    def drawn(**sets):
        """Its variance less that of the line through three values y: 7 / 18 (y1 - 2 y2 + y3)^2."""
        order = torch.randperm(60, generator=_after(5, len(sets["real"])))
        parts = [sets["fake"][order].split(60 // k) for k in (1, 2, 3)]
        y = [
            sum(frechet_distance(real=sets["real"], fake=part) for part in own) / len(own)
            for own in parts
        ]
        found = frechet_distance_infinity_estimate(**sets, splits=3, seed=5).standard_error ** 2
        line = 7 / 18 * (y[0] - 2 * y[1] + y[2]) ** 2
        assert line > 1e-3 * found
        return found - line

    equal = real[:60]
    whole = frechet_distance_estimate(real=equal, fake=fake).standard_error ** 2
    parts = drawn(real=equal, fake=fake), drawn(real=fake, fake=equal)
    assert sum(parts) == pytest.approx(whole, rel=1e-9) and min(parts) > 0


def _after(seed, rows):
    """The generator once the reals' order is drawn."""
    rng = torch.Generator().manual_seed(seed)
    torch.randperm(rows, generator=rng)
    return rng


def test_the_set_of_few_rows_is_the_one_that_varies():
    # planes that meet in a line: no map between them, so that both are drawn again
    real, fake = laws(3, 2000, 40, 5)
    real[:, 0] = 0.0
    fake[:, 1] = 0.0
    sides = side_of_rows(real), side_of_rows(fake)
    assert spread_by_influence(real, fake, sides) is None
    spread = _spread_by_bootstrap(real, fake, sides, seed=0)
    assert spread.fake > 10 * spread.real > 0
    found = frechet_distance_infinity_estimate(real=real, fake=fake)
    assert found.standard_error**2 >= spread.fake


def test_a_limit_alone_draws_nothing_again(monkeypatch):
    real, fake = laws(3, 40, 40, 5)
    real[:, 0] = fake[:, 1] = 0.0
    expected = frechet_distance_infinity_estimate(real=real, fake=fake).value

    def unwanted(*_):
        raise AssertionError("an interval that nobody asked for")

    monkeypatch.setattr(module, "spread_by_influence", unwanted)
    assert frechet_distance_infinity(real=real, fake=fake) == expected


def test_threads_do_not_change_a_bit_and_no_global_state_is_used():
    real, fake = laws(6, 90, 80, 4)
    before, state, found = torch.get_num_threads(), torch.get_rng_state(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(
                (
                    frechet_distance_estimate(real=real, fake=fake),
                    frechet_distance_estimate(real=real[:5], fake=fake, repeats=5),
                    frechet_distance_infinity_estimate(real=real, fake=fake),
                )
            )
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("n", "m", "options", "line"),
    [
        (40, 19, {}, r"fake: must have at least splits \(d \+ 1\) = 20 rows, got 19"),
        (40, 17, {"splits": 3}, None),
        (19, 40, {}, None),
        (19, 40, {"both": True}, r"real: must have at least splits \(d \+ 1\) = 20 rows, got 19"),
        (40, 40, {"splits": 2}, "splits: must be a whole number of at least 3, got 2"),
        (1, 40, {}, "real: must have at least 2 rows, got 1"),
    ],
)
def test_sets_too_small_to_split_are_refused(n, m, options, line):
    pair = {"real": normal(n, 4, 0), "fake": normal(m, 4, 1)}
    if line is None:
        assert math.isfinite(frechet_distance_infinity(**pair, **options))
    else:
        with pytest.raises(InputError, match=line):
            frechet_distance_infinity(**pair, **options)


def test_few_rows_are_warned_of():
    with pytest.warns(UserWarning, match="biased upward below 2 d = 8 rows; fake has 7") as caught:
        frechet_distance_estimate(real=normal(20, 4, 0), fake=normal(7, 4, 1))
    assert caught[0].filename == __file__
