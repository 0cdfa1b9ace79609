"""Frechet distance: closed forms, high precision, expectations, and what it is invariant to."""

import math
import warnings

import mpmath
import numpy as np
import pytest
import torch
from draws import FLOAT64, normal, rotation

from genbench.errors import InputError
from genbench.metrics.frechet import (
    frechet_distance,
    frechet_distance_from_moments,
    side_of_rows,
    sum_by_eigenvalues,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:frechet distance"),
    pytest.mark.usefixtures("one_thread"),
]


def covariance(spectrum, seed):
    """With these eigenvalues, in random directions."""
    q = rotation(len(spectrum), seed)
    return (q * torch.as_tensor(spectrum, dtype=FLOAT64)) @ q.T


def symmetric(matrix):
    return (matrix + matrix.T) / 2


def by_high_precision(m1, s1, m2, s2):
    """Eigenvalues of S1 S2 with 60 digits."""
    with mpmath.workdps(60):
        a, b = mpmath.matrix(s1.tolist()), mpmath.matrix(s2.tolist())
        roots = [mpmath.sqrt(mpmath.re(e)) for e in mpmath.eig(a * b, left=False, right=False)]
        apart = sum((mpmath.mpf(x) - mpmath.mpf(y)) ** 2 for x, y in zip(m1, m2, strict=True))
        traces = sum(a[i, i] + b[i, i] for i in range(len(m1)))
        return float(apart + traces - 2 * sum(roots))


def test_by_hand():
    # means 2 and 5; variances 2 and 8 over N - 1: 9 + (sqrt 8 - sqrt 2)^2 = 9 + 2
    real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[3.0], [7.0]])
    assert frechet_distance(real=real, fake=fake) == pytest.approx(11, rel=1e-14)


def test_commuting_covariances():
    a, b = np.linspace(0.5, 4, 12), np.linspace(3, 0.1, 12)
    m = torch.linspace(-1, 1, 12, dtype=FLOAT64)
    found = frechet_distance_from_moments(
        real=(m, symmetric(covariance(a, 1))), fake=(2 * m, symmetric(covariance(b, 1)))
    )
    expected = (m**2).sum().item() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert found == pytest.approx(expected, abs=1e-13 * (a.sum() + b.sum()))


def test_rank_one_covariances():
    # tr (vv' ww')^(1/2) = |v'w|
    v, w = normal(2, 9, 3)
    found = frechet_distance_from_moments(
        real=(torch.zeros(9), torch.outer(v, v)), fake=(torch.zeros(9), torch.outer(w, w))
    )
    assert found == pytest.approx((v @ v + w @ w - 2 * (v @ w).abs()).item(), rel=1e-13)


def test_a_line_beside_a_ball():
    # eigenvalues that rounding left of zeros must not enter: each would by 1e-8
    v = normal(1, 9, 3)[0]
    found = frechet_distance_from_moments(
        real=(torch.zeros(9), torch.outer(v, v)), fake=(torch.zeros(9), torch.eye(9))
    )
    assert found == pytest.approx((v @ v + 9 - 2 * v.norm()).item(), rel=1e-13)


@pytest.mark.parametrize("d", [2, 7, 20])
@pytest.mark.parametrize("condition", [1, 1e2, 1e4, 1e6, 1e8, 1e10])
@pytest.mark.parametrize("near", [False, True])
def test_against_sixty_digits(d, condition, near):
    spectrum = torch.logspace(0, -math.log10(condition), d, dtype=FLOAT64)
    s1, m = symmetric(covariance(spectrum, 5)), torch.zeros(d, dtype=FLOAT64)
    s2 = symmetric(s1 * 1.02 if near else covariance(spectrum, 6))
    found = frechet_distance_from_moments(real=(m, s1), fake=(m, s2))
    expected = by_high_precision(m.tolist(), s1, m.tolist(), s2)
    # the stated error
    traces = (s1.trace() + s2.trace()).item()
    assert found == pytest.approx(expected, abs=1e-13 * traces)


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10])
@pytest.mark.parametrize("scale", [1e-6, 1.0])
def test_fast_eigenvalues_hold_their_bound(condition, scale):
    spectrum = torch.logspace(0, -math.log10(condition) / 2, 300, dtype=FLOAT64)
    cross = scale * rotation(300, 0) * spectrum @ rotation(300, 1)
    found, error = sum_by_eigenvalues(cross)
    assert abs(found - scale * spectrum.sum().item()) <= error
    flat, _ = sum_by_eigenvalues(cross[:, :260].T)
    assert flat == pytest.approx(torch.linalg.svdvals(cross[:, :260]).sum().item(), rel=1e-8)


@pytest.mark.parametrize("rank", [300, 40])
def test_many_columns_take_the_way_that_is_exact(rank):
    # rank 40 of 300: the bound on the fast way is too wide, and singular values take its place
    a, b = torch.zeros(300, dtype=FLOAT64), torch.zeros(300, dtype=FLOAT64)
    a[:rank], b[:rank] = torch.linspace(1, 2, rank), torch.linspace(2, 1, rank)
    a[rank:], b[rank:] = 1e-9, 1e-9
    q, m = rotation(300, 0), torch.zeros(300, dtype=FLOAT64)
    found = frechet_distance_from_moments(
        real=(m, symmetric(q * a @ q.T)), fake=(m, symmetric(q * b @ q.T))
    )
    expected = (a.sqrt() - b.sqrt()).square().sum().item()
    assert found == pytest.approx(expected, abs=1e-13 * (a.sum() + b.sum()).item())


@pytest.mark.parametrize(("n", "m"), [(2, 2), (10, 7), (10, 40), (10, 41), (41, 10), (300, 10)])
def test_few_rows_agree_with_the_covariances(n, m):
    # d = 40: the root of n - 1 rows on one side, both or none; the oracle has d x d matrices
    real, fake = normal(n, 40, 0), normal(m, 40, 1) @ rotation(40, 2) * 0.7 + 0.1
    s1, s2 = (np.cov(x.numpy(), rowvar=False) for x in (real, fake))
    roots = np.linalg.svd(root_of(s1).T @ root_of(s2), compute_uv=False)
    apart = ((real.mean(0) - fake.mean(0)) ** 2).sum().item()
    expected = apart + np.trace(s1) + np.trace(s2) - 2 * roots.sum()
    # root_of leaves 1e-8 for each zero eigenvalue of s1 and s2, and rounding at its cut
    assert frechet_distance(real=real, fake=fake) == pytest.approx(expected, rel=1e-9)


def test_few_rows_with_counts_are_the_rows_repeated():
    rows, counts = normal(5, 12, 0), torch.tensor([1, 4, 2, 1, 7])
    for some in (slice(None), slice(1, None), slice(2, 3)):
        side = side_of_rows(rows[some], counts[some])
        whole = rows[some].repeat_interleave(counts[some], dim=0)
        expected = whole.T.cov()
        torch.testing.assert_close(side.mean, whole.mean(0), rtol=0, atol=1e-14)
        # sums of fifteen products of size one
        torch.testing.assert_close(side.root @ side.root.T, expected, rtol=0, atol=1e-13)
        assert side.trace == pytest.approx(expected.trace().item(), abs=1e-13)


def root_of(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.where(values > 1e-12 * values[-1], values, 0))


def test_few_rows_form_no_covariance():
    # 2^17 columns: a covariance would take 128 GiB
    real, fake = normal(3, 2**17, 0, torch.float32), normal(4, 2**17, 1, torch.float32)
    gaps = real.double().var(0).sum() + fake.double().var(0).sum()
    assert 0 < frechet_distance(real=real, fake=fake) - gaps.item() < 2**17


@pytest.mark.parametrize(("d", "n"), [(4, 50), (10, 100)])
def test_the_bias_against_an_exact_normal_law(d, n):
    exact = (torch.zeros(d, dtype=FLOAT64), torch.eye(d, dtype=FLOAT64))
    found = []
    for seed in range(600):
        x = normal(n, d, seed)
        found.append(
            frechet_distance_from_moments(real=exact, fake=(x.mean(0), symmetric(x.T.cov())))
        )
    mean, error = np.mean(found), np.std(found) / math.sqrt(len(found))
    # next order of E tr S^(1/2): d (d / n)^2 / 32, a sixteenth of d / n of the second term
    expected = d / n + d * (d + 1) / (4 * (n - 1))
    assert mean == pytest.approx(expected, abs=4 * error + expected * d / n / 8)


def test_identical_sets_are_at_zero():
    for n in (5, 300, 3000):
        x = normal(n, 20, n).float() * 100
        assert frechet_distance(real=x, fake=x.clone()) == 0.0
        assert frechet_distance(real=x.numpy(), fake=x.double()) == 0.0
        shuffled = x[torch.randperm(n)]
        assert 0 <= frechet_distance(real=x, fake=shuffled) <= 1e-13 * x.var(0).sum().item() * 2
    m, s = torch.zeros(3), torch.eye(3)
    assert frechet_distance_from_moments(real=(m, s), fake=(m, s)) == 0.0


def test_duplicates_change_the_correction_alone():
    # every row twice: the sums double and N - 1 becomes 2 N - 1
    x = normal(50, 3, 0)
    factor = math.sqrt(2 * 49 / 99)
    expected = x.var(0).sum().item() * (1 - factor) ** 2
    assert frechet_distance(real=x, fake=x.repeat(2, 1)) == pytest.approx(expected, rel=1e-9)


def test_constant_features():
    real, fake = torch.full((30, 4), 3.0), torch.full((20, 4), 5.0)
    assert frechet_distance(real=real, fake=fake) == pytest.approx(16, rel=1e-14)
    x = normal(30, 4, 0)
    x[:, 2] = 1.5  # a dead unit: no Cholesky factor
    y = normal(40, 4, 1)
    y[:, 2] = 1.5
    kept = [0, 1, 3]
    expected = frechet_distance(real=x[:, kept], fake=y[:, kept])
    assert frechet_distance(real=x, fake=y) == pytest.approx(expected, rel=1e-12)


# what it is invariant to: rotations, translations, order; and the law of scale


@pytest.mark.parametrize(("n", "d"), [(4000, 5), (900, 600), (300, 600)])
def test_threads_do_not_change_a_bit(n, d):
    real, fake = normal(n, d, 0), normal(n + 7, d, 1) * 1.1
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(frechet_distance(real=real, fake=fake))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_dtype_is_computed_in_float64(dtype):
    real, fake = normal(60, 8, 0).to(dtype), (normal(50, 8, 1) * 1.3).to(dtype)
    expected = frechet_distance(real=real.double(), fake=fake.double())
    assert frechet_distance(real=real, fake=fake) == expected
    assert frechet_distance(real=real.float().numpy(), fake=fake.float().numpy()) == expected


def test_strided_features():
    x = normal(60, 16, 0)
    expected = frechet_distance(real=x[:, ::2].clone(), fake=x.T[:8].T.clone() + 1)
    assert frechet_distance(real=x[:, ::2], fake=x.T[:8].T + 1) == expected


def test_few_rows_are_warned_of_in_one_line():
    x = normal(100, 10, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(real=x, fake=x[:20] + 1)
    line = r"frechet distance: biased upward below 2 d = 20 rows; fake has 19$"
    with pytest.warns(UserWarning, match=line) as caught:
        frechet_distance(real=x, fake=x[:19])
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="real has 5, fake has 19"):
        frechet_distance(real=x[:5], fake=x[:19])


@pytest.mark.parametrize(
    ("real", "fake", "line"),
    [
        (torch.zeros(1, 2), torch.zeros(5, 2), "real: must have at least 2 rows, got 1"),
        (torch.zeros(5, 2), torch.zeros(1, 2), "fake: must have at least 2 rows, got 1"),
        (torch.zeros(5, 2), torch.zeros(5, 3), "same width, got 2 and 3"),
        (torch.zeros(5, 2), torch.full((5, 2), math.inf), "fake: must be finite, .* in row 0"),
        (torch.full((5, 2), math.nan), torch.zeros(5, 2), "real: must be finite, .* in row 0"),
    ],
)
def test_bad_features_are_refused(real, fake, line):
    with pytest.raises(InputError, match=line):
        frechet_distance(real=real, fake=fake)


GOOD = (torch.zeros(2), torch.eye(2))


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (torch.zeros(5, 2), r"real: must be a \(mean, covariance\) pair, got Tensor"),
        (
            (torch.zeros(2), "covariance"),
            "real, covariance: must be a tensor .* got str",
        ),
        ((torch.zeros(2), torch.eye(3)), r"real: must be a mean \(d,\) .* got \(2,\) and \(3, 3\)"),
        ((torch.eye(2), torch.eye(2)), r"real: must be a mean \(d,\) .* got \(2, 2\)"),
        ((torch.zeros(3), torch.eye(3)), "real and fake: must have the same width, got 3 and 2"),
        ((torch.zeros(2), torch.tensor([[1.0, 0.5], [0.4, 1.0]])), "real: .* symmetric, is off by"),
        ((torch.zeros(2), torch.tensor([[1.0, 2.0], [2.0, 1.0]])), "real: .* from -1 to 3"),
        ((torch.zeros(2), -torch.eye(2)), "real: .* positive semi-definite, .* from -1 to -1"),
        ((torch.tensor([0.0, math.nan]), torch.eye(2)), "real, mean: must be finite"),
        ((torch.zeros(2), torch.eye(2) * math.inf), "real, covariance: must be finite"),
        ((torch.zeros(2, dtype=torch.int64), torch.eye(2)), "real, mean: must be floating"),
    ],
)
def test_bad_moments_are_refused_by_name(bad, line):
    with pytest.raises(InputError, match=line):
        frechet_distance_from_moments(real=bad, fake=GOOD)
    if "width" not in line:
        with pytest.raises(InputError, match=line.replace("real", "fake", 1)):
            frechet_distance_from_moments(real=GOOD, fake=bad)


def test_moments_rounded_to_float32_are_taken():
    s = covariance([4.0, 1.0, 1e-9], 4)
    rounded = (torch.zeros(3), s.float())
    wide = (torch.zeros(3), torch.eye(3))
    # eigenvalues 4, 1 and rounding: (2 - 1)^2 + 0 + (1 - 3e-5)^2
    found = frechet_distance_from_moments(real=rounded, fake=wide)
    assert found == pytest.approx(2, abs=2e-3)


@pytest.mark.cuda
def test_features_on_a_gpu():
    for n in (50, 900):
        real, fake = normal(n, 100, 0), normal(n, 100, 1) * 1.2
        found = frechet_distance(real=real.cuda(), fake=fake.cuda())
        assert found == pytest.approx(frechet_distance(real=real, fake=fake), rel=1e-10)


@pytest.mark.parametrize("d", [2, 3, 8, 40])
def test_columns_that_depend_on_each_other_have_their_distance(d):
    """A law in d - 1 dimensions, turned: its distance is that without the last axis."""
    rng = torch.Generator().manual_seed(d)
    for _ in range(20):
        turn = torch.linalg.qr(torch.randn(d, d, generator=rng, dtype=torch.float64)).Q
        real, fake = torch.randn(2, 300, d - 1, generator=rng, dtype=torch.float64)
        fake = 2 * fake + 1
        flat = [torch.nn.functional.pad(x, (0, 1)) @ turn for x in (real, fake)]
        found = frechet_distance(real=flat[0], fake=flat[1])
        # zeros become eigenvalues of some 1e-16, left out or entering by their roots
        assert found == pytest.approx(frechet_distance(real=real, fake=fake), rel=1e-6)
