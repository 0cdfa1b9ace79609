"""Diversity by MS-SSIM: collapsed samplers, labels, disjoint pairs, intervals that cover."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genbench.errors import InputError
from genbench.metrics import ms_ssim, ms_ssim_diversity, ms_ssim_diversity_estimate
from genbench.metrics.diversity import disjoint_pairs


def patterns(n, seed=0, noise=0.0, kinds=16):
    """(n, 1, 11, 11) in 0..1: one of `kinds` random pictures each, of which labels (n,) tell."""
    pictures = torch.rand(kinds, 1, 11, 11, generator=torch.Generator().manual_seed(99))
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(kinds, (n,), generator=rng)
    images = pictures[labels] + noise * torch.randn(n, 1, 11, 11, generator=rng)
    return images.clamp(0, 1), labels


def test_a_sampler_of_one_image_is_not_diverse():
    real, _ = patterns(100)
    fake = real[:1].repeat(40, 1, 1, 1)
    found = ms_ssim_diversity(real=real, fake=fake, data_range=1.0)
    assert found.fake == 1.0 and found.real < 0.4
    assert (found.fake_pairs, found.real_pairs) == (20, 50)
    swapped = ms_ssim_diversity(real=fake, fake=real, data_range=1.0)
    assert swapped == (found.real, found.fake, 50, 20)


def test_equal_sets_have_equal_diversity():
    x, _ = patterns(60, noise=0.1)
    found = ms_ssim_diversity(real=x, fake=x.clone(), data_range=1.0)
    assert found.fake == found.real


def test_the_mean_over_all_pairs_is_what_random_ones_estimate():
    x, _ = patterns(300, noise=0.05)
    rng = torch.Generator().manual_seed(4)
    i, j = (torch.randint(300, (3000,), generator=rng) for _ in range(2))
    other = i != j
    expected = ms_ssim(real=x[i[other]], fake=x[j[other]], data_range=1.0)
    found = ms_ssim_diversity_estimate(real=x, fake=x, data_range=1.0).fake
    assert found.value == pytest.approx(expected, abs=4 * found.standard_error)


def test_within_classes_equal_pictures_meet():
    real, real_labels = patterns(200, seed=1)
    fake, fake_labels = patterns(150, seed=2)
    found = ms_ssim_diversity(
        real=real,
        fake=fake,
        data_range=1.0,
        real_labels=real_labels,
        fake_labels=fake_labels.numpy(),
    )
    assert found.fake == found.real == 1.0  # a label is one picture
    whole = sum(count // 2 for count in Counter(fake_labels.tolist()).values())
    assert found.fake_pairs == whole


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.integers(1, 30), st.integers(0, 99)
)
def test_pairs_are_disjoint_equal_in_label_and_as_many_as_asked(labels, pairs, seed):
    own = torch.tensor(labels)
    first, second = disjoint_pairs(own, pairs, seed)
    used = torch.cat([first, second]).tolist()
    assert len(set(used)) == len(used)
    assert own[first].equal(own[second])
    whole = sum(count // 2 for count in Counter(labels).values())
    assert len(first) == min(pairs, whole)
    again = disjoint_pairs(own, pairs, seed)
    assert again[0].equal(first) and again[1].equal(second)


def test_every_pair_is_as_likely():
    # four images, one pair of six drawn: each about 1,000 times in 6,000 seeds
    drawn = Counter()
    for seed in range(6_000):
        first, second = disjoint_pairs(torch.zeros(4, dtype=torch.int64), 1, seed)
        drawn[frozenset([first.item(), second.item()])] += 1
    assert len(drawn) == 6
    assert all(abs(count - 1_000) < 4.5 * math.sqrt(1_000 * 5 / 6) for count in drawn.values())


def test_intervals_cover():
    # the mean over all pairs of 16 pictures of equal weight, by enumeration
    pictures = torch.cat([patterns(400)[0][patterns(400)[1] == k][:1] for k in range(16)])
    i, j = torch.cartesian_prod(torch.arange(16), torch.arange(16)).unbind(1)
    truth = ms_ssim(real=pictures[i], fake=pictures[j], data_range=1.0)
    repeats, covered = 200, 0
    for seed in range(repeats):
        x = patterns(120, seed=seed)[0]
        found = ms_ssim_diversity_estimate(real=x, fake=x[:4], data_range=1.0, seed=seed).real
        covered += found.low <= truth <= found.high
    # 60 pairs, one in 16 of them equal: a skewed law, 3 points at most
    assert covered / repeats >= 0.92 - 4 * math.sqrt(0.92 * 0.08 / repeats)


def test_threads_and_the_other_set_do_not_matter():
    x, _ = patterns(100, noise=0.1)
    y, _ = patterns(80, seed=5, noise=0.1)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(ms_ssim_diversity_estimate(real=x, fake=y, data_range=1.0, pairs=30, seed=3))
    torch.set_num_threads(1)
    assert found[0] == found[1] and found[0].fake_pairs == 30
    alone = ms_ssim_diversity(real=x[:2], fake=y.numpy(), data_range=1.0, pairs=30, seed=3)
    assert alone.fake == found[0].fake.value
    moved = ms_ssim_diversity(real=x[:2], fake=y, data_range=1.0, pairs=30, seed=4)
    assert moved.fake != alone.fake


X = torch.zeros(4, 1, 11, 11, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fake": X[:1]}, "fake: must hold at least 1 pairs of images, got 0 in 1 images"),
        (
            {"real_labels": [0, 0, 1, 1], "fake_labels": [0, 1, 2, 3]},
            "fake: must hold at least 1 pairs of images of one label, got 0 in 4 images",
        ),
        ({"real_labels": [0, 0, 1, 1]}, "fake_labels: must be given where the other set has label"),
        ({"fake_labels": [0, 0, 1, 1]}, "real_labels: must be given where the other set has label"),
        (
            {"real_labels": [0, 0, 1], "fake_labels": [0, 0, 1, 1]},
            r"real_labels: must be 4 integers, one an image, got int64 of shape \(3,\)",
        ),
        (
            {"real_labels": [0, 0, 1, 1], "fake_labels": np.zeros(4)},
            "fake_labels: must be 4 integers, one an image, got float64",
        ),
        ({"real_labels": "abcd", "fake_labels": "abcd"}, "real_labels: must be a tensor"),
        ({"pairs": 0}, "pairs: must be at least 1, got 0"),
        ({"fake": X[..., :8, :8], "real": X[..., :8, :8]}, "at least 11 x 11 pixels, its window"),
        ({"fake": X[..., :10]}, "must have the same image shape"),
        ({"fake": X.float()}, "must be given for floating images"),
    ],
)
def test_bad_input_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        ms_ssim_diversity(**{"real": X, "fake": X, **change})


def test_one_pair_has_no_interval():
    with pytest.raises(InputError, match="real: must hold at least 2 pairs of images, got 1 in 2"):
        ms_ssim_diversity_estimate(real=X[:2], fake=X)
