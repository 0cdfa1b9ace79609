"""The neighbour engine against whole numbers, where every distance is known and ties abound."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genbench.metrics import nearest, nearest_blocks, precision_recall
from genbench.ops import backend
from genbench.ops.backend import load_error

SILENT = nearest.Meter(None, 0)
BACKENDS = ["reference"] + ([] if load_error() else ["fused"])
each_backend = pytest.mark.parametrize("name", BACKENDS)
# A sum of squares stays below 2^53, where the oracle and float64 are exact; float32 keeps 24 bits,
# so that with the large ones it leaves most decisions open.
REACH = (1, 3, 100, 2**12, 2**23)


@st.composite
def whole_sets(draw):
    """x (N, d), y (M, d) of whole numbers and k below both sizes; copies among the rows."""
    k = draw(st.integers(1, 4))
    n, m = draw(st.integers(k + 1, 80)), draw(st.integers(k + 1, 80))
    d = draw(st.integers(1, 40))
    reach = draw(st.sampled_from(REACH))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x, y = rng.integers(-reach, reach + 1, (n, d)), rng.integers(-reach, reach + 1, (m, d))
    offset = draw(st.sampled_from((0, 2**23))) if reach <= 100 else 0
    if draw(st.booleans()):
        y[: m // 2] = x[rng.integers(0, n, m // 2)]
    return x + offset, y + offset, k


def squared(x, y):
    return ((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=2)


def oracle(x, y, k):
    """Everything from the two whole matrices, by sorting; int64."""
    own, cross = squared(x, x), squared(x, y)
    np.fill_diagonal(own, np.iinfo(np.int64).max)
    order = np.argsort(cross, axis=1, kind="stable")[:, :k]
    return np.sort(own, axis=1)[:, :k], np.take_along_axis(cross, order, axis=1), order, cross


@each_backend
@given(sets=whole_sets(), dtype=st.sampled_from((torch.float32, torch.float64)))
def test_whole_numbers(name, sets, dtype):
    x, y, k = sets
    own, cross, order, distances = oracle(x, y, k)
    with backend(name):
        p, q = nearest.points(torch.tensor(x, dtype=dtype), torch.tensor(y, dtype=dtype))
        others = nearest.nearest_others(p, k, SILENT)
        back = nearest.nearest_others(q, k, SILENT)[:, -1]
        found, index = nearest.nearest_in(p, q, k, SILENT)
        inside = nearest.count_inside(p, q, others[:, -1], back, SILENT)
    unit = 4.0**p.power
    assert np.array_equal(others.numpy(), own * unit)
    assert np.array_equal(found.numpy(), cross * unit) and np.array_equal(index.numpy(), order)
    in_x = distances <= own[:, -1:]
    assert np.array_equal(inside.balls_of_x, in_x.sum(axis=0))
    assert np.array_equal(inside.held_by_x, in_x.sum(axis=1))
    in_y = distances <= back.numpy() / unit
    assert np.array_equal(inside.balls_of_y, in_y.sum(axis=1))


@each_backend
def test_sets_of_many_panels_and_blocks(name, monkeypatch):
    monkeypatch.setattr(nearest_blocks, "_ENTRIES", 10_000)
    monkeypatch.setattr(nearest, "_ENTRIES", 10_000)
    rng = np.random.default_rng(0)
    for n, m in ((128, 129), (513, 300), (700, 31), (256, 640)):  # even and odd counts of blocks
        x, y = rng.integers(-2, 3, (n, 33)), rng.integers(-2, 3, (m, 33))
        own, cross, order, _ = oracle(x, y, 5)
        with backend(name):
            p, q = nearest.points(torch.tensor(x).float(), torch.tensor(y).float())
            assert np.array_equal(nearest.nearest_others(p, 5, SILENT), own * 4.0**p.power)
            found, index = nearest.nearest_in(p, q, 5, SILENT)
        assert np.array_equal(found, cross * 4.0**p.power) and np.array_equal(index, order)


def normal(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@each_backend
@pytest.mark.parametrize("scale", [1e-320, 1e-160, 1e-40, 1.0, 1e30, 1e300])
def test_features_of_any_size(name, scale):
    """Powers of ten that neither float32 nor a float64 square can hold."""
    x = (normal(60, 40, 0) * 100).round() * scale
    with backend(name):
        (p,) = nearest.points(x)
        found = p.distances(nearest.nearest_others(p, 2, SILENT))
    rows = x.tolist()
    apart = [sorted(math.dist(a, b) for b in rows)[1:3] for a in rows]  # after itself
    expected = torch.tensor(apart, dtype=torch.float64)
    assert (expected > 0).all()
    # 1e-320 has four digits: a difference of two such numbers is exact, their norm is not
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=2.0**-1074)


@pytest.mark.skipif("fused" not in BACKENDS, reason="no extension")
@pytest.mark.parametrize(
    ("features", "panels"),
    [
        (normal(40, 5, 0).float(), torch.float32),
        (normal(40, 5, 0).float().double(), torch.float32),
        (normal(40, 5, 0).bfloat16(), torch.float32),
        (normal(40, 5, 0).half(), torch.float32),
        (torch.zeros(40, 5), torch.float32),
        (normal(40, 5, 0), torch.float64),  # digits that float32 lacks
        (torch.cat([torch.ones(20, 5), torch.full((20, 5), 1e-30)]), torch.float64),
    ],
)
def test_which_panels_hold_the_values(features, panels):
    """float32 panels only where a tile's 0 means equal rows."""
    with backend("fused"):
        (p,) = nearest.points(features)
    assert p.panels is not None and p.panels.dtype == panels
    held = p.panels.double().transpose(1, 2).reshape(-1, 5)
    assert torch.equal(held[:40], features.double() * 2.0**p.power) and held[40:].isnan().all()
    assert held[:40].abs().max() < 2**50


@each_backend
def test_the_features_are_left_as_they_are(name):
    x, y = normal(80, 40, 0) + 5, normal(70, 40, 1)
    before = x.clone(), y.clone()
    with backend(name):
        precision_recall(real=x, fake=y)
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])


def test_backends_agree_and_progress_adds_up():
    x, y = normal(400, 48, 0), normal(300, 48, 1)
    pairs = 400**2 // 2 + 300**2 // 2 + 400 * 300
    found = []
    for name in BACKENDS:
        calls = []
        with backend(name):
            found.append(
                precision_recall(real=x, fake=y, progress=lambda *at, to=calls: to.append(at))
            )
        done = [at for at, _ in calls]
        assert done == sorted(done) and {of for _, of in calls} == {pairs}
        assert done[-1] == pairs
    assert all(score == found[0] for score in found)


@each_backend
@settings(max_examples=100)  # 5 ms a case
@given(seed=st.integers(0, 2**32), d=st.integers(1, 50), shift=st.integers(-(10**6), 10**6))
def test_moving_turning_and_reordering_change_nothing(name, seed, d, shift):
    """A shift that keeps every bit, a rotation, another order, other threads."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(70, d, generator=rng, dtype=torch.float64)
    y = torch.randn(50, d, generator=rng, dtype=torch.float64) * 0.7
    x, y = (torch.round(a * 2**20) / 2**20 for a in (x, y))
    turn = torch.linalg.qr(torch.randn(d, d, generator=rng, dtype=torch.float64)).Q
    before = torch.get_num_threads()
    with backend(name):
        score = precision_recall(real=x, fake=y)
        assert precision_recall(real=x + shift, fake=y + shift) == score
        # distances keep 15 digits, and no two of them agree in so many
        assert d == 1 or precision_recall(real=x @ turn, fake=y @ turn) == score
        order = torch.randperm(70, generator=rng)
        assert precision_recall(real=x[order], fake=y.flip(0)) == score
        try:
            torch.set_num_threads(3 - before if before < 3 else 1)
            assert precision_recall(real=x, fake=y) == score
        finally:
            torch.set_num_threads(before)
