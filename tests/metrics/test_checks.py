"""What metrics refuse, and rows that are not finite."""

import warnings

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from genbench.errors import InputError
from genbench.metrics.checks import drop_non_finite, feature_matrix, feature_pair


@pytest.mark.parametrize(
    ("features", "rows", "line"),
    [
        (torch.zeros(4), 1, r"real: must be \(N, d\) with d >= 1, got shape \(4,\)"),
        (torch.zeros(4, 0), 1, r"real: must be \(N, d\) with d >= 1, got shape \(4, 0\)"),
        (torch.zeros(4, 2, dtype=torch.uint8), 1, "real: must be floating, got uint8"),
        (torch.zeros(3, 2), 4, "real: must have at least 4 rows, got 3"),
        (torch.zeros(0, 2), 1, "real: must have at least 1 rows, got 0"),
        ("features", 1, r"real: must be a tensor or an array \(N, d\), got str"),
        (np.array([["a"]]), 1, r"real: must be a tensor or an array \(N, d\), got ndarray of <U1"),
    ],
)
def test_what_is_no_feature_matrix_is_refused(features, rows, line):
    with pytest.raises(InputError, match=f"^{line}$"):
        feature_matrix(features, argument="real", rows=rows)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_row_that_is_not_finite_is_named_or_dropped(value, dtype):
    x = torch.arange(20, dtype=dtype).reshape(10, 2)
    x[3, 1] = x[7, 0] = value
    line = "fake: must be finite, got NaN or infinity in 2 of 10 rows, first in row 3"
    with pytest.raises(InputError, match=line):
        feature_matrix(x, argument="fake")
    kept, dropped = drop_non_finite(x)
    assert dropped == 2
    assert kept[:, 0].tolist() == [0, 2, 4, 8, 10, 12, 16, 18]


def test_finite_rows_are_passed_on_without_a_copy():
    x = torch.ones(3, 2)
    assert drop_non_finite(x) == (x, 0)
    assert feature_matrix(x, argument="real").data_ptr() == x.data_ptr()


def test_any_numpy_array_is_taken_and_none_is_written_to():
    x = np.arange(12.0).reshape(4, 3)
    fixed = x.copy()
    fixed.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for array in (x[::-1], x[:, ::-1], x.astype(">f4"), x.T[::-2], fixed, x.tolist()):
            found = feature_matrix(array, argument="real")
            assert found.tolist() == np.asarray(array).tolist()
    assert feature_matrix(x, argument="real").data_ptr() == x.ctypes.data  # no copy
    with pytest.raises(InputError, match=r"real: must be a tensor .*, got ndarray of \w+128$"):
        feature_matrix(x.astype(np.longdouble), argument="real")


@pytest.mark.parametrize("sign", [-1, 1])
def test_values_whose_products_overflow_are_refused(sign):
    x = torch.ones(5, 2, dtype=torch.float64)
    x[3, 1] = sign * 1e80
    line = r"real: values must lie within -\+1e\+70, .* overflows, got 1e\+80 in row 3$"
    with pytest.raises(InputError, match=line):
        feature_matrix(x, argument="real", largest=1e70)
    assert feature_matrix(x, argument="real", largest=1e80) is not None


def test_looking_for_nan_copies_no_features():
    x = torch.ones(1000, 500)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        feature_matrix(x, argument="real")
    assert (
        max(event.cpu_memory_usage for event in found.events() or ()) < 10 * 4 * 1000
    )  # N, not N x d


def test_arrays_are_taken_and_gradients_left_behind():
    assert feature_matrix(np.ones((3, 2), np.float32), argument="real").dtype == torch.float32
    assert not feature_matrix(torch.ones(3, 2, requires_grad=True), argument="real").requires_grad


def test_a_pair_must_agree_in_width():
    with pytest.raises(InputError, match="real and fake: must have the same width, got 2 and 3"):
        feature_pair(real=torch.ones(4, 2), fake=torch.ones(4, 3))
    real, fake = feature_pair(real=torch.zeros(4, 2), fake=torch.ones(5, 2))
    assert (len(real), len(fake)) == (4, 5)
    assert (real.sum(), fake.sum()) == (0, 10)
