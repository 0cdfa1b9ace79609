"""Two objectives compared seed by seed, against scipy, enumeration and hand cases."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genbench.report.statistics import EXACT_UP_TO, paired, sign_flip_p

VALUES = st.lists(
    st.tuples(*[st.floats(-1e3, 1e3, allow_subnormal=False)] * 2), min_size=2, max_size=8
)


@settings(max_examples=100)  # scipy's tests take 5 ms
@given(VALUES)
def test_interval_and_p_are_those_of_scipy(pairs):
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    spread = np.ptp(a - b)
    if spread < 1e-6 * max(1.0, np.abs(a - b).max()):
        return  # scipy's own t is noise there; see the test of equal differences
    found, peer = paired(list(a), list(b)), stats.ttest_rel(a, b)
    low, high = peer.confidence_interval(0.95)
    assert found.difference == pytest.approx((low + high) / 2, rel=1e-9, abs=1e-9)
    assert found.half_width == pytest.approx((high - low) / 2, rel=1e-6)  # float64, cancelling
    assert found.t_p == pytest.approx(peer.pvalue, rel=1e-6, abs=1e-12)
    assert found.settled == (low > 0 or high < 0) or abs(min(abs(low), abs(high))) < 1e-6


@settings(max_examples=50)  # scipy enumerates in Python: 20 ms
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=8))
def test_exact_p_is_that_of_scipys_permutations(differences):
    # Whole numbers bring ties, and zeros whose sign does not matter.
    peer = stats.permutation_test(
        (np.array(differences, float), np.zeros(len(differences))),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples", vectorized=True, n_resamples=1 << 8,  # all, as 2^8 at most
    )  # fmt: skip
    tails = enumerated(differences)
    assert sign_flip_p(differences) == pytest.approx(tails, abs=1e-15)
    # scipy doubles the smaller tail: the same for a symmetric distribution, except at its middle
    assert sign_flip_p(differences) == pytest.approx(min(1.0, peer.pvalue), abs=1e-12)


def enumerated(differences: list[int]) -> float:
    """By enumeration in whole numbers."""
    signs = list(product((-1, 1), repeat=len(differences)))
    sums = [abs(sum(s * d for s, d in zip(sign, differences, strict=True))) for sign in signs]
    return sum(value >= abs(sum(differences)) for value in sums) / len(signs)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0], 1.0),  # both signs are as far out
        ([1.0, 2.0, 3.0], 2 / 8),
        ([0.5] * 6, 2 / 64),  # six wins of six: the least p that six seeds can have
        ([1.0, -1.0], 1.0),
        ([0.0, 0.0], 1.0),
        ([0.1, 0.2, 0.3, -0.6], 1.0),  # their sum is 0 but for rounding
        ([-0.3, 0.2, 0.1, 0.1, 0.2], 22 / 32),  # ties that only rounding parts
        ([0.1] * 3 + [0.3], 2 / 16),  # sums of tenths differ in the last bit with the order
    ],
)
def test_p_by_hand(differences, p):
    assert sign_flip_p(differences) == p


def test_missing_and_single_values():
    assert paired([None, 1.0], [2.0, None]) == (None, None, None, None, 0, True)
    assert paired([3.0, None], [1.0, 5.0]) == (2.0, None, None, 1.0, 1, True)
    with pytest.raises(ValueError):
        paired([1.0], [])


def test_equal_differences_have_no_t():
    found = paired([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    assert found == (1.0, 0.0, None, 0.25, 3, True)
    # no variance to judge by: the signs decide, 2 of 2^n are as far out
    assert [paired([1.0] * n, [0.0] * n).settled for n in (2, 3, 5, 6)] == [False] * 3 + [True]
    assert not paired([1.0, 1.0], [1.0, 1.0]).settled


def test_many_pairs_take_random_signs():
    n = EXACT_UP_TO + 4
    differences = [1.0] * 17 + [-1.0] * 7  # |sum| >= 10: heads at least 17 or at most 7 of 24
    exact = sum(math.comb(n, k) for k in range(n + 1) if abs(2 * k - n) >= 10) / 2**n
    draws = 20_000
    found = sign_flip_p(differences, draws=draws)
    assert found == pytest.approx(exact, abs=5 * math.sqrt(exact / draws))  # 5 standard errors
    assert sign_flip_p(differences, draws=draws) == found
    assert sign_flip_p([1.0] * 60, draws=100) == 1 / 101  # none of them is as far out
    assert not paired([1.0] * n, [0.0] * n).exact
