"""Inception score: hand cases, bounds, coverage, and rows that are no probabilities."""

import math
import types

import numpy as np
import pytest
import torch
from draws import FLOAT64, fewer
from hypothesis import given
from hypothesis import strategies as st

from genbench.errors import InputError
from genbench.metrics.predictions import inception_score, inception_score_estimate


def drawn(n, classes, seed, sharpness=3.0):
    rng = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(n, classes, generator=rng, dtype=FLOAT64)
    return logits.softmax(dim=1)


@pytest.mark.parametrize("classes", [1, 2, 10])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, FLOAT64])
def test_certain_predictions_of_all_classes_score_their_number(classes, dtype):
    # without shuffling each of 5 splits holds every class equally often
    p = torch.eye(classes, dtype=dtype).repeat(20, 1)
    found = inception_score(p, splits=5, seed=None)
    assert found == pytest.approx((classes, 0), rel=1e-14, abs=1e-13)


def test_equal_predictions_score_one():
    p = torch.tensor([[0.7, 0.2, 0.1]], dtype=FLOAT64).expand(30, 3)
    assert inception_score(p) == pytest.approx((1, 0), rel=1e-14, abs=1e-14)


def test_by_hand():
    # marginal (3/4, 1/4): KL of (1, 0) is ln 4/3; of (1/2, 1/2) is (ln 2/3 + ln 2) / 2
    p = np.array([[1.0, 0.0], [0.5, 0.5]])
    expected = math.exp((math.log(4 / 3) + (math.log(2 / 3) + math.log(2)) / 2) / 2)
    assert inception_score(p, splits=1).mean == pytest.approx(expected, rel=1e-14)


def test_splits_are_scored_apart():
    # the halves hold one class each: each scores 1, the whole 2
    p = torch.eye(2).repeat_interleave(10, dim=0)
    assert inception_score(p, splits=2, seed=None) == pytest.approx((1, 0), abs=1e-14)
    assert inception_score(p, splits=1, seed=None).mean == pytest.approx(2)
    assert 1.5 < inception_score(p, splits=2).mean < 2  # shuffled


@fewer
@given(st.integers(1, 8), st.integers(2, 40), st.integers(1, 5), st.integers(0, 2**31))
def test_it_lies_between_one_and_the_classes(classes, n, splits, seed):
    p = drawn(n, classes, seed)
    splits = min(splits, n)
    found = inception_score(p, splits=splits)
    assert 1 - 1e-12 <= found.mean <= classes + 1e-12 and found.std >= 0
    # the classes' order never matters, that of the rows not within one split
    assert inception_score(p.flip(1), splits=splits) == pytest.approx(found, rel=1e-12, abs=1e-12)
    whole = inception_score(p, splits=1).mean
    assert inception_score(p.flip(0), splits=1).mean == pytest.approx(whole, rel=1e-12)
    assert inception_score(p.repeat(2, 1), splits=1).mean == pytest.approx(whole, rel=1e-12)


def test_the_interval_covers_the_mean_score():
    repeats, found = 300, []
    for seed in range(repeats):
        found.append(inception_score_estimate(drawn(200, 5, seed), splits=4, seed=None))
    values = torch.tensor([e.value for e in found], dtype=FLOAT64)
    mean, error = values.mean().item(), values.std().item()
    slack = 3 * math.sqrt(0.95 * 0.05 / repeats)
    assert 0.95 - slack <= sum(e.low <= mean <= e.high for e in found) / repeats <= 0.95 + slack
    stated = sum(e.standard_error for e in found) / repeats
    assert stated == pytest.approx(error, rel=0.15)  # 300 values know it to 4 %
    score = inception_score(drawn(200, 5, 0), splits=4, seed=None)
    assert found[0].value == pytest.approx(score.mean, rel=1e-14)


def test_seeds_and_threads():
    p = drawn(3000, 7, 0)
    state = torch.get_rng_state()
    found = inception_score(p)
    assert found == inception_score(p, seed=2020) != inception_score(p, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    before, scores = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            scores.append(inception_score(drawn(70_000, 7, 0)))
    finally:
        torch.set_num_threads(before)
    assert scores[0] == scores[1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("classes", [2, 10, 1008])
def test_softmax_of_every_dtype_is_taken(dtype, classes):
    p = drawn(200, classes, 1)
    # values rounded to the dtype: 8 bits of bfloat16 move each KL by under a hundredth
    assert inception_score(p.to(dtype)).mean == pytest.approx(inception_score(p).mean, rel=0.01)


@pytest.mark.parametrize(
    ("p", "options", "line"),
    [
        (torch.tensor([[0.5, 0.5], [0.6, 0.5]]), {}, "row must sum to 1, got 1.1 in row 1"),
        (torch.tensor([[0.5, 0.5], [-0.1, 1.1]]), {}, "row must be at least 0, got -0.1 in row 1"),
        (torch.randn(20, 5), {}, "probabilities: every row must be at least 0"),
        (torch.zeros(20, 5), {}, "row must sum to 1, got 0 in row 0"),
        (torch.eye(5), {}, "splits: must be from 1 to the 5 rows of probabilities, got 10"),
        (torch.eye(5), {"splits": 0}, "splits: must be from 1 to the 5 rows"),
        (torch.ones(5), {}, r"probabilities: must be \(N, d\)"),
        (torch.ones(5, 1, dtype=torch.int64), {}, "probabilities: must be floating, got int64"),
        (torch.full((5, 1), math.nan), {}, "probabilities: must be finite"),
    ],
)
def test_what_is_no_probability_is_refused(p, options, line):
    with pytest.raises(InputError, match=line):
        inception_score(p, **options)


def test_an_interval_needs_two_rows_a_split():
    with pytest.raises(InputError, match="needs at least 2 splits = 20 rows, got 15"):
        inception_score_estimate(drawn(15, 3, 0))
    assert inception_score_estimate(drawn(20, 3, 0)).standard_error > 0


def test_no_module_hides_a_function():
    # a submodule becomes an attribute of its package when it is first imported
    import genbench.metrics as metrics

    for _ in range(2):
        for name in metrics.__all__:
            assert not isinstance(getattr(metrics, name), types.ModuleType), name
