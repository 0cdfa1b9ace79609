"""Streaming moments: NumPy's values, the same bits for any batches and threads, parts added up."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genbench.errors import InputError
from genbench.metrics.moments import CHUNK, Moments
from genbench.metrics.reductions import asymmetry, gram, product, single_threaded

pytestmark = pytest.mark.usefixtures("one_thread")


def rows_of(n, d, seed=0, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def moments_of(*batches):
    moments = Moments(batches[0].shape[1])
    for batch in batches:
        moments.update(batch)
    return moments


def same_bits(a, b):
    return (
        a.count == b.count
        and torch.equal(a.mean, b.mean)
        and torch.equal(a.covariance, b.covariance)
    )


@pytest.mark.parametrize("n", [2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17])
def test_the_values_are_numpys(n):
    x = rows_of(n, 7)
    moments = moments_of(x)
    assert moments.count == n and moments.width == 7
    # two sums of n terms in another order
    np.testing.assert_allclose(moments.mean, x.numpy().mean(0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(moments.covariance, np.cov(x.numpy(), rowvar=False), atol=1e-13)


def test_by_hand():
    moments = moments_of(torch.tensor([[1.0, 2.0], [3.0, 0.0], [5.0, 1.0]]))
    assert moments.mean.tolist() == [3.0, 1.0]
    # deviations (-2, 1), (0, -1), (2, 0), over N - 1 = 2
    assert moments.covariance.tolist() == [[4.0, -1.0], [-1.0, 1.0]]


@given(
    st.integers(2, 3000),
    st.lists(st.integers(0, 1500), max_size=6),
    st.sampled_from([0.0, 1e4]),
)
def test_batch_sizes_do_not_change_a_bit(n, cuts, offset):
    x = rows_of(n, 3, seed=n) + offset
    bounds = sorted({0, n, *(cut for cut in cuts if cut < n)})
    parts = [x[a:b] for a, b in itertools.pairwise(bounds)]
    assert same_bits(moments_of(x), moments_of(*parts))


@pytest.mark.parametrize("d", [5, 600, 1100])  # one tile of the Gram matrix, three, six
def test_threads_do_not_change_a_bit(d):
    x = rows_of(1500, d)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            found.append(moments_of(x))
            assert torch.get_num_threads() == threads  # given back
    finally:
        torch.set_num_threads(before)
    assert all(same_bits(found[0], other) for other in found[1:])


def test_the_gram_matrix_is_the_product_and_symmetric():
    x = rows_of(40, 1100)
    found = gram(x)
    assert torch.equal(found, found.T)
    # 40 products of size one
    torch.testing.assert_close(found, x.T @ x, rtol=0, atol=1e-13)


@pytest.mark.parametrize("lower", [(False, False), (True, False), (True, True)])
def test_a_product_by_tiles_is_the_product(lower):
    a, b = rows_of(1100, 1100, 0), rows_of(1100, 1100, 1)
    a, b = a.tril() if lower[0] else a, b.tril() if lower[1] else b
    # 1100 products of size one
    torch.testing.assert_close(product(a, b), a.T @ b, rtol=0, atol=1e-11)
    torch.testing.assert_close(product(a, b[:, :700]), a.T @ b[:, :700], rtol=0, atol=1e-11)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(product(a, b))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_asymmetry_is_found_in_every_tile():
    x = rows_of(1100, 1100)
    x = x + x.T
    assert asymmetry(x) == 0
    for i, j in ((3, 5), (1090, 2), (2, 1090), (600, 1030)):
        y = x.clone()
        y[i, j] += 0.5
        assert asymmetry(y) == pytest.approx(0.5)


def test_threads_come_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), single_threaded():
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


@given(st.lists(st.integers(0, 1200), min_size=1, max_size=5).filter(lambda n: sum(n) > 1))
def test_processes_add_up_theirs(sizes):
    x = rows_of(sum(sizes), 3, seed=len(sizes)) * 2 + 5
    merged = Moments(3)
    for part in x.split(sizes):
        merged.merge(moments_of(part) if len(part) else Moments(3))
    whole = moments_of(x)
    assert merged.count == whole.count
    # other partition, other rounding
    torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(merged.covariance, whole.covariance, rtol=1e-12, atol=1e-13)


def test_merging_leaves_the_other_as_it_is_and_goes_on():
    x, y, z = rows_of(1500, 4, 0), rows_of(700, 4, 1), rows_of(900, 4, 2)
    first, second = moments_of(x), moments_of(y)
    first.merge(second)
    assert same_bits(second, moments_of(y))
    first.update(z)
    expected = np.cov(torch.cat([x, y, z]).numpy(), rowvar=False)
    np.testing.assert_allclose(first.covariance, expected, atol=1e-13)


@pytest.mark.parametrize("cut", [0, 1, 1000, CHUNK, 2000])
def test_a_state_goes_on_bit_for_bit(cut):
    x = rows_of(2500, 4)
    moments = moments_of(x[:cut])
    state = moments.state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    moments.update(x[cut:])  # must not reach into the state
    restored = Moments.from_state_dict(state)
    restored.update(x[cut:])
    assert same_bits(restored, moments) and same_bits(restored, moments_of(x))


def test_reading_changes_nothing():
    x = rows_of(1500, 4)
    moments = Moments(4)
    for batch in x.split(100):
        moments.update(batch)
        if moments.count > 1:
            moments.mean.fill_(7)
            moments.covariance.fill_(7)
    assert same_bits(moments, moments_of(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_dtype_is_summed_in_float64(dtype):
    x = rows_of(3000, 3, dtype=torch.float32).to(dtype)
    assert same_bits(moments_of(x), moments_of(x.double()))


def test_an_offset_costs_no_digits():
    # multiples of 2^-20 under 1e4: adding the offset is exact, so the truth is the centred set's
    x = (rows_of(5000, 4) * 2**20).round() / 2**20
    plain, moved = moments_of(x), moments_of(x + 1e4)
    # 1e4 eps of the mean, once in each centred row
    torch.testing.assert_close(moved.covariance, plain.covariance, rtol=0, atol=1e-12)
    torch.testing.assert_close(moved.mean - 1e4, plain.mean, rtol=0, atol=1e-11)
    naive = (x + 1e4).square().sum(0) / 5000 - ((x + 1e4).sum(0) / 5000) ** 2
    assert (naive - plain.covariance.diagonal()).abs().max() > 1e-8  # what centring prevents


def test_constant_features_have_no_variance():
    moments = moments_of(torch.full((2000, 2), 0.1))
    assert moments.covariance.abs().max() < 1e-30
    assert moments.mean[0].item() == pytest.approx(torch.tensor(0.1).item(), abs=1e-16)


@pytest.mark.parametrize(
    ("features", "line"),
    [
        (torch.zeros(4, 3), r"features: must be \(N, 2\), got shape \(4, 3\)"),
        (torch.zeros(4), r"features: must be \(N, d\) with d >= 1, got shape \(4,\)"),
        (torch.tensor([[0.0, 0.0], [0.0, float("nan")]]), "features: must be finite, .* row 1"),
        (torch.zeros(4, 2, dtype=torch.int64), "features: must be floating, got int64"),
    ],
)
def test_what_cannot_be_added_is_refused_and_not_added(features, line):
    moments = moments_of(torch.ones(3, 2))
    with pytest.raises(InputError, match=line):
        moments.update(features)
    assert moments.count == 3


def test_too_few_rows_and_other_widths_are_refused():
    with pytest.raises(InputError, match="width: must be a whole number of at least 1, got 0"):
        Moments(0)
    with pytest.raises(InputError, match="features: moments need at least 1 rows, got 0"):
        _ = Moments(2).mean
    with pytest.raises(InputError, match="features: moments need at least 2 rows, got 1"):
        _ = moments_of(torch.ones(1, 2)).covariance
    with pytest.raises(InputError, match="other: must have width 2, got 3"):
        Moments(2).merge(Moments(3))


def test_a_state_of_something_else_is_refused():
    state = moments_of(torch.ones(3, 2)).state_dict()
    with pytest.raises(InputError, match="state: must hold count, mean, sums, waiting, got mean"):
        Moments.from_state_dict({"mean": torch.zeros(2)})
    with pytest.raises(InputError, match=r"state: shapes must agree with the mean's \(2,\), got"):
        Moments.from_state_dict(state | {"sums": torch.zeros(3, 3)})
    with pytest.raises(InputError, match="state: shapes must agree"):
        Moments.from_state_dict(state | {"waiting": torch.zeros(CHUNK, 2)})


@pytest.mark.cuda
def test_features_on_a_gpu():
    x = rows_of(3000, 700)
    moments = Moments(700, device="cuda")
    moments.update(x.cuda())
    torch.testing.assert_close(moments.covariance.cpu(), moments_of(x).covariance)
