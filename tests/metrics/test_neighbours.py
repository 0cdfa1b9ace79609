"""Precision, recall, density and coverage: brute force, expectations, swaps and offsets."""

import math

import pytest
import torch

from genbench.metrics import neighbours, precision_recall


def normal(n, d, seed, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def brute_force(real, fake, k):
    def radius(points):
        return [sorted(math.dist(p, q) for q in points)[k] for p in points]

    real, fake = real.tolist(), fake.tolist()
    balls, back = radius(real), radius(fake)
    inside = [[math.dist(f, r) <= b for r, b in zip(real, balls, strict=True)] for f in fake]
    return (
        sum(map(any, inside)) / len(fake),
        sum(any(math.dist(r, f) <= b for f, b in zip(fake, back, strict=True)) for r in real)
        / len(real),
        sum(map(sum, inside)) / (k * len(fake)),
        sum(any(row[i] for row in inside) for i in range(len(real))) / len(real),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_against_brute_force(k, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK_ENTRIES", 100)  # several blocks
    real, fake = normal(41, 3, 0), normal(29, 3, 1) + 0.5
    assert precision_recall(real=real, fake=fake, k=k) == pytest.approx(brute_force(real, fake, k))


def test_swapping_exchanges_precision_and_recall_and_nothing_else_is_symmetric():
    wide, tight = normal(400, 2, 0), normal(300, 2, 1) * 0.05
    score = precision_recall(real=wide, fake=tight)
    swapped = precision_recall(real=tight, fake=wide)
    assert score.precision == swapped.recall and score.recall == swapped.precision
    assert score.precision > 0.95 and score.recall < 0.1  # a tight cluster in a wide cloud
    assert score.coverage != swapped.coverage


def test_expectations_on_equal_distributions():
    n, m, k = 600, 500, 4
    scores = [
        precision_recall(real=normal(n, 2, 2 * s), fake=normal(m, 2, 2 * s + 1), k=k)
        for s in range(30)
    ]
    coverage = torch.tensor([s.coverage for s in scores])
    density = torch.tensor([s.density for s in scores])
    # Naeem et al. 2020, equation 9: the nearest k of n - 1 + m points are all real
    expected = 1 - math.comb(n - 1, k) / math.comb(n - 1 + m, k)
    assert coverage.mean().item() == pytest.approx(
        expected, abs=4 * coverage.std().item() / 30**0.5
    )
    assert density.mean().item() == pytest.approx(1, abs=4 * density.std().item() / 30**0.5)


def test_identical_sets_are_perfect():
    x = normal(50, 4, 0)
    score = precision_recall(real=x, fake=x)
    assert (score.precision, score.recall, score.coverage) == (1, 1, 1)


def test_a_common_offset_in_float32_changes_nothing():
    # the matrix form of the distance loses everything at an offset of 10,000
    real = torch.round(normal(500, 8, 0) * 256) / 256
    fake = real[:1].repeat(500, 1) + torch.round(normal(500, 8, 1)) / 256
    moved = precision_recall(real=(real + 1e4).float(), fake=(fake + 1e4).float())
    assert moved == precision_recall(real=real, fake=fake)
    assert moved.precision == 1.0 and moved.recall < 0.05


@pytest.mark.parametrize(
    ("real", "fake", "k", "words"),
    [
        (torch.zeros(5), torch.zeros(5, 2), 3, "real must be"),
        (torch.zeros(5, 2), torch.zeros(5), 3, "fake must be"),
        (torch.zeros(3, 2), torch.zeros(5, 2), 3, "real must have more than k = 3 rows"),
        (torch.zeros(5, 2), torch.zeros(1, 2), 3, "fake must have more than k = 3 rows"),
        (torch.zeros(5, 2), torch.zeros(5, 2), 0, "k >= 1"),
        (torch.zeros(5, 2), torch.zeros(5, 3), 3, "same width, got 2 and 3"),
        (torch.full((5, 2), float("nan")), torch.zeros(5, 2), 3, "NaN or infinity in row 0"),
    ],
)
def test_bad_features_are_refused(real, fake, k, words):
    with pytest.raises(ValueError, match=words):
        precision_recall(real=real, fake=fake, k=k)
