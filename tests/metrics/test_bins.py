"""Different bins: enumeration, the level on equal laws, missing modes, and what moves nothing."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genbench.errors import InputError
from genbench.metrics import bins as module
from genbench.metrics import different_bins, different_bins_estimate
from genbench.metrics.bins import Bins, _different, _expected_different, _jensen_shannon, _limit


def normal(n, d=2, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def towers(counts, seed=0):
    """Rows (sum, 2): counts[j] of them around (10 j, 0), shuffled."""
    rows = normal(sum(counts), seed=seed) * 0.1
    rows[:, 0] += 10.0 * torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]


def counts_of(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def test_dropped_modes_raise_exactly_their_bins():
    real = towers([400] * 10)
    # half of the modes have no fake, so that the others have twice their share: z about 9
    both = different_bins(real=real, fake=towers([400] * 5 + [0] * 5, seed=1), bins=10)
    assert (both.different, both.share, both.bins) == (10, 1.0, 10)
    # 40 fakes: four are missing on each dropped mode, too few to shift the others
    few = different_bins(real=real, fake=towers([5] * 8 + [0, 0], seed=1), bins=10)
    assert few.different == 2


def test_the_z_test_is_the_one_of_two_proportions():
    # without continuity correction its square is the chi-squared of the 2 x 2 table
    a, b = counts_of(10, 40, 25, 0, 125), counts_of(25, 41, 30, 4, 100)
    for significance in (0.01, 0.05, 0.5):
        limit = _limit(significance)
        expected = 0
        for x, y in zip(a.tolist(), b.tolist(), strict=True):
            _, p, _, _ = stats.chi2_contingency([[x, 200 - x], [y, 200 - y]], correction=False)
            expected += p < significance  # type: ignore[operator]
        assert _different(a, b, limit) == expected


def test_empty_and_full_bins_do_not_differ():
    assert _different(counts_of(0, 7), counts_of(0, 9), _limit(0.9)) == 0
    assert _expected_different(counts_of(0, 7), counts_of(0, 9), _limit(0.9)) == 0.0


def test_the_expected_number_by_enumeration():
    # five reals and four fakes, three rows in bin 0: every assignment of rows is as likely
    limit, hits, trials = _limit(0.2), 0.0, 0
    for fakes in itertools.combinations(range(9), 4):
        inside = sum(row < 3 for row in fakes)
        hits += _different(counts_of(3 - inside, 2 + inside), counts_of(inside, 4 - inside), limit)
        trials += 1
    found = _expected_different(counts_of(2, 3), counts_of(1, 3), limit)
    assert 0 < hits / trials == pytest.approx(found, rel=1e-12)  # sums of nine probabilities


@pytest.mark.parametrize(("reals", "fakes", "d"), [(1000, 2000, 2), (400, 300, 40), (600, 3000, 8)])
def test_equal_laws_differ_as_often_as_expected(reals, fakes, d):
    # overfitted bins would differ in far more: the rows that place them are not counted
    repeats = 20
    found = [
        different_bins(real=normal(reals, d, 2 * i), fake=normal(fakes, d, 2 * i + 1), bins=50)
        for i in range(repeats)
    ]
    differing = sum(f.different for f in found) / repeats
    expected = sum(f.expected_different for f in found) / repeats
    error = math.sqrt(expected / repeats)  # nearly independent rare events: Poisson
    assert differing == pytest.approx(expected, abs=4 * error)
    assert expected <= 0.06 * 50
    divergence = torch.tensor([f.jensen_shannon for f in found], dtype=torch.float64).mean().item()
    first_order = sum(f.expected_jensen_shannon for f in found) / repeats
    assert divergence == pytest.approx(first_order, rel=0.3)  # first order at five rows a bin


def test_many_rows_differ_at_the_level():
    found = different_bins(real=normal(30_000), fake=normal(30_000, seed=1), bins=100)
    assert found.expected_different == pytest.approx(5, abs=0.3)
    loose = different_bins(
        real=normal(30_000), fake=normal(30_000, seed=1), bins=100, significance=0.5
    )
    assert loose.expected_different == pytest.approx(50, abs=3)
    assert abs(loose.different - 50) <= 4 * math.sqrt(25)


def test_the_divergence_by_hand():
    # p = (1/2, 1/2), q = (1, 0): m = (3/4, 1/4)
    by_hand = (0.5 * math.log(2 / 3) + 0.5 * math.log(2) + math.log(4 / 3)) / 2
    assert _jensen_shannon(counts_of(3, 3), counts_of(5, 0)) == pytest.approx(by_hand, rel=1e-14)
    assert _jensen_shannon(counts_of(3, 0), counts_of(0, 5)) == pytest.approx(math.log(2))
    assert _jensen_shannon(counts_of(3, 0, 1), counts_of(6, 0, 2)) == 0.0


def test_swapped_arguments_give_another_value():
    wide, narrow = towers([200] * 10), towers([1000, 1000] + [0] * 8, seed=1)
    # bins are placed by the reals: ten towers, or two halves of two
    found = different_bins(real=wide, fake=narrow, bins=10)
    swapped = different_bins(real=narrow, fake=wide, bins=10)
    assert found.different == 10 and found.jensen_shannon != swapped.jensen_shannon
    # eight tenths of the towers' mass has no fake; no bin of the two narrow ones is without reals
    # m = (3/10, 3/10, 1/20 x 8)
    p, q = [0.1] * 10, [0.5, 0.5] + [0.0] * 8
    pairs = [*zip(p, q, strict=True), *zip(q, p, strict=True)]
    kl = [x * math.log(2 * x / (x + y)) for x, y in pairs if x]
    assert found.jensen_shannon == pytest.approx(sum(kl) / 2, abs=0.02)  # a counted half


def test_few_different_rows_make_few_bins():
    real = torch.arange(3.0).repeat(100)[:, None]
    found = different_bins(real=real, fake=real[:30], bins=20)
    assert (found.bins, found.different) == (3, 0)
    constant = different_bins(real=torch.ones(40, 2), fake=torch.ones(7, 2), bins=20)
    assert constant == (0, 0.0, 0.0, 1, 0.0, 0.0)
    assert len(Bins.fit(torch.tensor([[0.0], [-0.0]]), bins=2)) == 1


def test_rows_that_place_the_bins_are_not_counted(monkeypatch):
    placed, counted = [], []
    fit, counts = Bins.fit, Bins.counts

    def noted_fit(rows, **options):
        placed.append(rows)
        return fit(rows, **options)

    def noted_counts(self, rows):
        counted.append(rows)
        return counts(self, rows)

    monkeypatch.setattr(Bins, "fit", noted_fit)
    monkeypatch.setattr(Bins, "counts", noted_counts)
    real, fake = torch.arange(40.0)[:, None], 100 + torch.arange(30.0)[:, None]
    different_bins(real=real, fake=fake, bins=4)
    assert len(placed[0]) == 20 and torch.equal(counted[-1], fake)
    assert sorted(torch.cat([*placed, *counted[:-1]])[:, 0].tolist()) == list(range(40))


def test_the_seed_starts_the_centers():
    rows = torch.rand(400, 2, generator=torch.Generator().manual_seed(0))
    found = [Bins.fit(rows, bins=9, seed=seed).centers.sort(dim=0).values for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1]) and not torch.allclose(found[0], found[2], atol=1e-3)


def test_large_sets_place_bins_by_a_part(monkeypatch):
    real, fake = normal(2000), normal(500, seed=1)
    whole = different_bins(real=real, fake=fake, bins=10)
    monkeypatch.setattr(module, "FIT_ROWS", 200)
    part = different_bins(real=real, fake=fake, bins=10)
    # 1,800 of the reals are counted instead of 1,000
    assert part.expected_jensen_shannon == pytest.approx(9 / 8 * (1 / 1800 + 1 / 500))
    assert whole.expected_jensen_shannon == pytest.approx(9 / 8 * (1 / 1000 + 1 / 500))


def test_threads_blocks_arrays_and_repeats_do_not_matter(monkeypatch):
    real, fake = normal(3000, 8), normal(20_000, 8, seed=1) * 1.1
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(different_bins_estimate(real=real, fake=fake, bins=20, repeats=10))
    torch.set_num_threads(1)
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 100)
    found.append(different_bins_estimate(real=real.numpy(), fake=fake.numpy(), bins=20, repeats=10))
    assert found[0] == found[1] == found[2]


# k-means takes about 20 ms a case
@settings(max_examples=25)
@given(st.integers(0, 2**20), st.integers(-(2**20), 2**20))
def test_permuted_fakes_and_translation_move_nothing(seed, shift):
    # multiples of 2^-10: the translated rows are exact
    real = (normal(200, seed=seed) * 1024).round() / 1024
    fake = (normal(300, seed=seed + 1) * 1200).round() / 1024
    order = torch.randperm(300, generator=torch.Generator().manual_seed(seed))
    found = different_bins(real=real, fake=fake, bins=8)
    assert different_bins(real=real, fake=fake[order], bins=8) == found
    moved = different_bins(real=real + shift, fake=fake + shift, bins=8)
    assert moved.different == found.different
    assert moved.jensen_shannon == pytest.approx(found.jensen_shannon, rel=1e-12)


def test_a_quarter_turn_moves_nothing():
    real, fake = normal(400), normal(300, seed=1) * 1.3
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)  # exact
    found = different_bins(real=real, fake=fake, bins=8)
    assert different_bins(real=real @ turn, fake=fake @ turn, bins=8) == found


def test_collapsed_fakes_are_seen_far_from_the_origin():
    # float32 keeps ten bits behind the point there; squared distances in float32 would keep none
    real, fake = normal(1000).float() + 8192, torch.full((300, 2), 8192.0)
    found = different_bins(real=real, fake=fake, bins=20)
    assert found == different_bins(real=real - 8192, fake=fake - 8192, bins=20)
    assert found.different >= 15 and found.jensen_shannon > 0.5


def test_the_estimate_holds_the_values():
    real, fake = normal(1000), normal(800, seed=1) * 1.2
    plain = different_bins(real=real, fake=fake, bins=20)
    found = different_bins_estimate(real=real, fake=fake, bins=20)
    for value, estimate in zip(plain[:3], found[:3], strict=True):
        assert estimate.value == value and estimate.low <= value <= estimate.high
    assert found[3:] == plain[3:]
    assert found.share == pytest.approx([end / 20 for end in found.different])
    # one bin: nothing can differ, and the interval is a point inside the metric's bounds
    one = different_bins_estimate(real=real, fake=fake, bins=1)
    assert one.different == one.jensen_shannon == (0, 0, 0, 0)


def test_intervals_cover():
    # fakes of a law with weights 1/2..3/2 times the reals' over 20 towers, drawn anew each time
    real = towers([100] * 20)
    law = torch.linspace(0.5, 1.5, 20, dtype=torch.float64)
    rng = torch.Generator().manual_seed(3)
    found = []
    for _ in range(60):
        tower = torch.multinomial(law, 1000, replacement=True, generator=rng)
        fake = torch.stack([10.0 * tower, torch.zeros(1000)], dim=1)
        found.append(different_bins_estimate(real=real, fake=fake, bins=20, repeats=50))
    for name in ("different", "jensen_shannon"):
        estimates = [getattr(f, name) for f in found]
        truth = sum(e.value for e in estimates) / len(found)
        covered = sum(e.low <= truth <= e.high for e in estimates) / len(found)
        assert covered >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / len(found)), name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bins": 0}, "bins: must be a whole number of at least 1, got 0"),
        ({"bins": 26}, "real: must have at least 2 x bins = 52 rows, got 50"),
        ({"significance": 0.0}, "significance: must be between 0 and 1, got 0.0"),
        ({"significance": 5}, "significance: must be between 0 and 1, got 5"),
        ({"fake": normal(5, 3)}, "real and fake: must have the same width, got 2 and 3"),
        ({"fake": normal(0)}, "fake: must have at least 1 rows, got 0"),
        (
            {"fake": np.array([[0.0, np.nan]])},
            "fake: must be finite, got NaN or infinity",
        ),
        ({"real": torch.full((50, 2), math.inf)}, "real: must be finite"),
        ({"real": torch.ones(50)}, r"real: must be \(N, d\)"),
    ],
)
def test_bad_input_is_refused(change, words):
    arguments = {"real": normal(50), "fake": normal(1, seed=1), "bins": 5}
    for metric in (different_bins, different_bins_estimate):
        with pytest.raises(InputError, match=words):
            metric(**{**arguments, **change})


@pytest.mark.cuda
def test_cuda_agrees():
    real, fake = normal(1000, 8), normal(800, 8, seed=1) * 1.2
    found = different_bins(real=real.cuda(), fake=fake.cuda(), bins=20)
    assert found == different_bins(real=real, fake=fake, bins=20)
