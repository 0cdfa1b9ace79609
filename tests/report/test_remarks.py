"""Warnings beside means, and which differences count as settled."""

import pytest
from study_rows import DIVERGED, row

from genbench.report.compare import compare, leaders, matrix, rivals
from genbench.report.groups import group_rows
from genbench.report.remarks import diverged_text, quality_is_suspicious, remarks, spread_is_off


@pytest.mark.parametrize(
    ("spread", "off"),
    [(1.0, False), (0.86, False), (1.14, False), (0.84, True), (1.16, True), (None, False)],
)
def test_spread_may_be_15_percent_off(spread, off):
    assert spread_is_off(row(spread=spread)) == off


@pytest.mark.parametrize(
    ("quality", "samples", "suspicious"),
    [
        (0.98889, 10_000, False),
        (0.9930, 10_000, False),  # 3.9 standard errors of .00105
        (0.9932, 10_000, True),  # 4.1
        (0.9970, 2_500, False),
        (1.0, 2_500, True),
        (1.0, 100, False),
        (None, 100, False),
    ],
)
def test_quality_above_the_floor_counts_beyond_chance(quality, samples, suspicious):
    found = row(high_quality=quality, specification={"samples": samples})
    assert quality_is_suspicious(found) == suspicious
    assert not quality_is_suspicious({**found, "floor": {}})


def test_remarks_count_seeds():
    rows = [
        row("a", 0, spread=0.5),
        row("a", 1, spread=0.6),
        row("a", 2, **DIVERGED),
        row("b", 0, spread=1.4),
    ]
    (group,) = group_rows(rows)
    assert remarks(group, "a") == [
        "diverged in 1 of 3 seeds",
        "spread 0.50 to 0.60 in 2 of 3 seeds, not 1 within 15 %",
    ]
    assert remarks(group, "b") == ["spread 1.40 in 1 of 1 seeds, not 1 within 15 %"]


def test_a_diverged_row_says_term_and_reason():
    assert diverged_text(row(**DIVERGED)) == "diverged: loss is nan at step 60 (term critic)"
    assert (
        diverged_text(row(**{**DIVERGED, "reason": "critic is nan"})) == "diverged: critic is nan"
    )
    assert diverged_text(row(**{**DIVERGED, "reason": None, "term": None})) == "diverged"


def test_a_diverged_seed_loses_its_pair():
    (group,) = group_rows([row("a", s) for s in (0, 1)] + [row("b", 0), row("b", 1, **DIVERGED)])
    duel = compare(group, "a", "b", "modes_held")
    assert duel.result.difference == 4.0 and duel.favours_first  # 0 and 8
    quality = compare(group, "a", "b", "high_quality").result
    assert (quality.difference, quality.n) == (0.25, 2)  # 0 and .5
    assert compare(group, "a", "b", "kl").result.n == 1  # no KL: the pair is left out


def test_the_lower_kl_is_favoured():
    (group,) = group_rows([row("a", kl=0.1), row("b", kl=0.4)])
    assert compare(group, "a", "b", "kl").favours_first
    assert not compare(group, "b", "a", "kl").favours_first


def test_leaders_differ_in_the_first_score_that_differs():
    rows = [row("a", s, high_quality=0.9 + s / 100) for s in range(3)]
    rows += [row("b", s, high_quality=0.51) for s in range(3)]
    rows += [row("c", s, held=8 - s, high_quality=0.99) for s in range(3)]
    (group,) = group_rows(rows)
    duel = leaders(group)
    assert duel is not None and (duel.first, duel.second) == ("a", "b")
    assert duel.column.key == "high_quality" and duel.result.settled
    # differences .39, .40, .41: t(.975, 2) .01 / sqrt 3 = .0248; 2 of 8 signs are as far out
    assert duel.sentence() == (
        "quality +40.0 points (95 %: +37.5 to +42.5), paired t p < 0.001, exact p = 0.25, 3 seeds"
    )
    assert rivals(group) == ["c"]  # 8, 7, 6 modes: one less on average, +-2.5
    assert leaders(group_rows(rows[:3])[0]) is None


def test_equal_differences_have_no_interval():
    rows = [row(loss, s, held=held) for s in range(3) for loss, held in (("a", 8), ("b", 7))]
    duel = leaders(group_rows(rows)[0])
    assert duel is not None and not duel.result.settled  # 3 of 3: 2 of 8 signs are as far out
    assert duel.sentence() == "modes held +1.0, exact p = 0.25, 3 seeds"


def test_the_matrix_is_antisymmetric():
    (group,) = group_rows(
        [row(n, s, held=h + s) for n, h in (("a", 5), ("b", 3)) for s in range(2)]
    )
    ((_, up), (down, _)) = matrix(group, "modes_held")
    assert up is not None and down is not None
    assert up.result.difference == 2.0 and down.result.difference == -2.0
    assert up.favours_first and not down.favours_first
    assert up.number(0.01) == "0.0" and up.number(-2.0) == "-2.0"


def test_seeds_without_a_partner_do_not_count():
    (group,) = group_rows([row("a", 0), row("b", 1)])
    duel = compare(group, "a", "b", "modes_held")
    assert duel.result.n == 0 and duel.sentence() == "modes held: no seed in common"
