"""Kernel distance: hand cases, enumeration, simulated variance, and what it is invariant to."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from draws import FLOAT64, fewer, normal
from hypothesis import given
from hypothesis import strategies as st

from genbench.errors import InputError
from genbench.metrics import kernel as module
from genbench.metrics.kernel import (
    kernel_distance,
    kernel_distance_estimate,
    kernel_distance_subsets,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def exact(real, fake, degree=3, gamma=None, coef0=1):
    """In fractions: no rounding at all."""
    x, y = ([[Fraction(v) for v in row] for row in rows.tolist()] for rows in (real, fake))
    g = Fraction(1, len(x[0])) if gamma is None else Fraction(gamma)

    def k(a, b):
        return (g * sum(s * t for s, t in zip(a, b, strict=True)) + Fraction(coef0)) ** degree

    def within(rows):
        n = len(rows)
        off = sum(k(rows[i], rows[j]) for i, j in product(range(n), repeat=2) if i != j)
        return off / (n * (n - 1))

    between = sum(k(a, b) for a in x for b in y) / (len(x) * len(y))
    return float(within(x) + within(y) - 2 * between)


def test_by_hand():
    # k = (xy + 1)^3. Within 0, 1, 2, 3: pairs 1, 1, 1, 27, 64, 343 -> 437 / 6. Within four twos:
    # 125. Between: 1, 27, 125, 343 -> 124
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    found = kernel_distance(real=real, fake=torch.full((4, 1), 2.0))
    assert found.mean == pytest.approx(437 / 6 + 125 - 2 * 124, rel=1e-13)


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("gamma", "coef0"), [(None, 1.0), (0.25, 0.0), (2.0, -3.5)])
@pytest.mark.parametrize("block", [3, 512])
def test_against_fractions(degree, gamma, coef0, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    real, fake = normal(11, 3, 0) + 1, normal(8, 3, 1) * 1.5
    options = {"degree": degree, "gamma": gamma, "coef0": coef0}
    found = kernel_distance(real=real, fake=fake, **options)
    # sums of 121 kernel values, the largest of which is far above the mean
    assert found.mean == pytest.approx(exact(real, fake, **options), rel=1e-10)


def test_an_offset_costs_few_digits():
    # kernel values of 1e24 and a distance of 1e15: subtracting means of values would leave none
    real, fake = normal(12, 2, 0) + 1e4, normal(9, 2, 1) + 1e4
    found = kernel_distance(real=real, fake=fake).mean
    assert found == pytest.approx(exact(real, fake), rel=1e-9)
    k = lambda a, b: (a @ b.T / 2 + 1) ** 3  # noqa: E731
    xx, yy = k(real, real), k(fake, fake)
    plain = (xx.sum() - xx.trace()) / 132 + (yy.sum() - yy.trace()) / 72
    plain = plain - 2 * k(real, fake).mean()
    assert plain.item() != pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize(
    ("d", "n", "m", "shift", "scale"),
    [(4, 50, 80, 0.5, 1.0), (8, 30, 120, 0.1, 1.3), (64, 60, 60, 0.0, 1.0), (6, 90, 25, 0.3, 0.7)],
)
def test_it_is_unbiased_and_its_interval_covers(d, n, m, shift, scale):
    repeats = 300
    found = [
        kernel_distance_estimate(
            real=normal(n, d, 2 * s), fake=normal(m, d, 2 * s + 1) * scale + shift
        )
        for s in range(repeats)
    ]
    values = torch.tensor([e.value for e in found], dtype=FLOAT64)
    truth = polynomial_mmd(d, shift, scale)
    error = values.std().item() / math.sqrt(repeats)
    assert values.mean().item() == pytest.approx(truth, abs=4 * error)
    # a variance of 300 heavy-tailed values is known to about 15 %
    stated = torch.tensor([e.standard_error for e in found], dtype=FLOAT64).square().mean().item()
    assert stated == pytest.approx(values.var().item(), rel=0.4)
    slack = 3 * math.sqrt(0.95 * 0.05 / repeats)
    # the distance of few rows is skew, which costs a point or two
    assert 0.93 - slack <= sum(e.low <= truth <= e.high for e in found) / repeats <= 1.0


def test_the_error_of_few_rows_has_no_bias():
    """Five rows and a linear kernel, far apart: factors as (n - 1) / (n - 2) are a third."""
    repeats = 1500
    found = [
        kernel_distance_estimate(
            real=normal(5, 1, 2 * s), fake=normal(6, 1, 2 * s + 1) + 5, degree=1
        )
        for s in range(repeats)
    ]
    values = torch.tensor([e.value for e in found], dtype=FLOAT64)
    stated = torch.tensor([e.standard_error for e in found], dtype=FLOAT64).square().mean().item()
    # 1500 values know their variance to 4 %, three times that
    assert stated == pytest.approx(values.var().item(), rel=0.12)


def polynomial_mmd(d, shift, scale):
    """Of N(0, I) and N(shift, scale^2 I), from moments: k = 1 + 3 s + 3 s^2 + s^3, s = x'y / d.

    E s^2 = tr(A B) / d^2 with second moments A, B; E s^3 = (third moments, inner product) / d^3.
    """
    m, v = shift, scale**2
    one = m * m * d / d  # |mean|^2 / d
    # second moments I and v I + m^2 11': ||B - A||^2
    diagonal, off = v + m * m - 1, m * m
    two = (d * diagonal**2 + d * (d - 1) * off**2) / d**2
    # third moments of the fakes (of N(0, I) all vanish): x_i^3, x_i^2 x_j, x_i x_j x_k
    cube, square, plain = m**3 + 3 * m * v, m * (m * m + v), m**3
    three = d * cube**2 + 3 * d * (d - 1) * square**2 + d * (d - 1) * (d - 2) * plain**2
    return 3 * one + 3 * two + three / d**3


def test_duplicates_and_constant_features():
    x = normal(20, 3, 0)
    x[:, 1] = 4.0
    # U-statistic of n rows twice: the n pairs of twins count as well
    twice = kernel_distance(real=x.repeat(2, 1), fake=x).mean
    assert twice == pytest.approx(exact(x.repeat(2, 1), x), rel=1e-10)
    found = kernel_distance(real=torch.full((9, 2), 3.0), fake=torch.full((5, 2), 3.0))
    assert found == (0.0, 0.0)
    found = kernel_distance(real=torch.zeros(9, 2), fake=torch.ones(5, 2))
    assert found.mean == pytest.approx(1 + 8 - 2, abs=1e-14)
    assert found.standard_error <= 1e-7  # root of what rounding leaves of the squares


def test_identical_sets_are_below_zero():
    # the same rows: within, each row's value with itself is missing
    x = normal(30, 4, 0)
    k = (x @ x.T / 4 + 1) ** 3
    within = (k.sum() - k.trace()) / (30 * 29)
    assert kernel_distance(real=x, fake=x).mean == pytest.approx(
        (2 * within - 2 * k.mean()).item(), rel=1e-10
    )
    assert kernel_distance(real=x, fake=x).mean < 0


@st.composite
def pairs(draw):
    d, seed = draw(st.integers(1, 5)), draw(st.integers(0, 2**31))
    n, m = draw(st.integers(4, 20)), draw(st.integers(4, 20))
    return normal(n, d, seed), normal(m, d, seed + 1) + draw(st.sampled_from([0.0, 2.0])), seed


def size(real, fake):
    """The largest centred kernel value bounds what rounding can do."""
    reach = max(real.square().sum(1).max().item(), fake.square().sum(1).max().item())
    return (1 + reach / real.shape[1]) ** 3


@fewer
@given(pairs())
def test_symmetry_rotation_order_and_scale(case):
    real, fake, seed = case
    found, slack = kernel_distance(real=real, fake=fake), 1e-12 * size(real, fake)
    assert kernel_distance(real=fake, fake=real) == pytest.approx(found, abs=slack)
    q = torch.linalg.qr(normal(real.shape[1], real.shape[1], seed))[0]
    assert kernel_distance(real=real @ q, fake=fake @ q).mean == pytest.approx(
        found.mean, abs=slack
    )
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(seed))
    assert kernel_distance(real=real[order], fake=fake).mean == pytest.approx(found.mean, abs=slack)
    # x -> c x is the same as gamma -> c^2 gamma
    scaled = kernel_distance(real=3 * real, fake=3 * fake, gamma=1 / (9 * real.shape[1]))
    assert scaled.mean == pytest.approx(found.mean, abs=slack)


@fewer
@given(pairs(), st.sampled_from([0.5, 100.0]))
def test_translation_matters_beyond_degree_one(case, offset):
    real, fake, _ = case
    moved = {"real": real + offset, "fake": fake + offset}
    flat = kernel_distance(real=real, fake=fake, degree=1).mean
    assert kernel_distance(**moved, degree=1).mean == pytest.approx(
        flat, abs=1e-12 * (size(real, fake) + offset)
    )
    assert kernel_distance(**moved).mean != kernel_distance(real=real, fake=fake).mean


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_dtype_is_computed_in_float64(dtype):
    real, fake = normal(40, 8, 0).to(dtype), (normal(50, 8, 1) * 1.3).to(dtype)
    expected = kernel_distance(real=real.double(), fake=fake.double())
    assert kernel_distance(real=real, fake=fake) == expected
    assert kernel_distance(real=real.float().numpy(), fake=fake.float().numpy()) == expected


def test_threads_and_blocks():
    real, fake = normal(1100, 600, 0), normal(700, 600, 1) * 1.1
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(kernel_distance(real=real, fake=fake))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_do_not_matter(block, monkeypatch):
    real, fake = normal(50, 5, 0), normal(33, 5, 1)
    expected = kernel_distance(real=real, fake=fake)
    monkeypatch.setattr(module, "BLOCK", block)
    assert kernel_distance(real=real, fake=fake) == pytest.approx(expected, rel=1e-11)


def test_subsets_of_everything_are_the_distance():
    real, fake = normal(40, 5, 0), normal(40, 5, 1) * 1.2
    found = kernel_distance_subsets(real=real, fake=fake, subsets=3, subset_size=40)
    assert found.mean == pytest.approx(kernel_distance(real=real, fake=fake).mean, rel=1e-11)
    assert found.std == pytest.approx(0, abs=1e-12)


def test_subsets_average_to_the_distance_and_depend_on_the_order_of_drawing():
    real, fake = normal(300, 5, 0), normal(200, 5, 1) * 1.2
    options = {"subsets": 400, "subset_size": 50}
    found = kernel_distance_subsets(real=real, fake=fake, **options)
    expected = kernel_distance(real=real, fake=fake).mean
    assert found.mean == pytest.approx(expected, abs=4 * found.std / 20)
    assert found == kernel_distance_subsets(real=real, fake=fake, **options)
    assert found != kernel_distance_subsets(real=fake, fake=real, **options)  # fakes drawn first
    assert found != kernel_distance_subsets(real=real, fake=fake, seed=1, **options)


@pytest.mark.parametrize("subsets", [2, 60])  # from each subset's rows, or from all pairs at once
def test_subsets_by_hand(subsets, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 7)
    real, fake = normal(30, 3, 0), normal(25, 3, 1) * 1.3
    rng, expected = np.random.RandomState(9), []
    for _ in range(subsets):
        of_fake = torch.from_numpy(rng.choice(25, 5, replace=False))
        of_real = torch.from_numpy(rng.choice(30, 5, replace=False))
        expected.append(exact(real[of_real], fake[of_fake]))
    found = kernel_distance_subsets(real=real, fake=fake, subsets=subsets, subset_size=5, seed=9)
    assert found == pytest.approx((np.mean(expected), np.std(expected)), rel=1e-10)


def test_no_global_generator_is_used():
    state = torch.get_rng_state()
    kernel_distance_subsets(real=normal(9, 2, 0), fake=normal(9, 2, 1), subset_size=5)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("n", "m", "options", "line"),
    [
        (3, 9, {}, "real: must have at least 4 rows, got 3"),
        (9, 3, {}, "fake: must have at least 4 rows, got 3"),
        (9, 1, {}, "fake: must have at least 2 rows, got 1"),
        (9, 9, {"degree": 0}, "degree: must be a whole number of at least 1, got 0"),
        (9, 9, {"gamma": 0.0}, "gamma: must be above 0, got 0.0"),
    ],
)
def test_what_has_no_distance_is_refused(n, m, options, line):
    with pytest.raises(InputError, match=line):
        kernel_distance(real=normal(n, 2, 0), fake=normal(m, 2, 1), **options)


@pytest.mark.parametrize(
    ("n", "m", "options", "line"),
    [
        (1000, 999, {}, "subset_size: must be from 2 to the 999 rows of fake, got 1000"),
        (20, 99, {"subset_size": 21}, "subset_size: must be from 2 to the 20 rows of real, got 21"),
        (20, 20, {"subset_size": 1}, "subset_size: must be from 2 to the 20 rows of real, got 1"),
        (20, 20, {"subsets": 0}, "subsets: must be a whole number of at least 1, got 0"),
    ],
)
def test_subsets_that_cannot_be_drawn_are_refused(n, m, options, line):
    with pytest.raises(InputError, match=line):
        kernel_distance_subsets(real=normal(n, 2, 0), fake=normal(m, 2, 1), **options)


def test_bad_features_are_refused_by_name():
    good, bad = normal(9, 2, 0), normal(9, 2, 1)
    bad[4, 1] = math.nan
    with pytest.raises(InputError, match=r"fake: must be finite, .* row 4"):
        kernel_distance(real=good, fake=bad)
    with pytest.raises(InputError, match=r"real: must be finite, .* row 4"):
        kernel_distance_subsets(real=bad, fake=good, subset_size=4)
    with pytest.raises(InputError, match="same width, got 2 and 1"):
        kernel_distance(real=good, fake=good[:, :1])


@pytest.mark.cuda
def test_features_on_a_gpu():
    real, fake = normal(600, 30, 0), normal(700, 30, 1) * 1.2
    found = kernel_distance(real=real.cuda(), fake=fake.cuda())
    assert found == pytest.approx(kernel_distance(real=real, fake=fake), rel=1e-10)
