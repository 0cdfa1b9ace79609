"""What may stand for data, and how a user's own points are judged."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from genbench.data import Mixture, mixture
from genbench.errors import InputError
from genbench.metrics import mode_coverage, mode_spread, precision_recall
from genbench.studies.tasks import ArrayTask, make_tasks


def points(n=2000, seed=0, width=2):
    return np.random.default_rng(seed).normal(size=(n, width))


def test_names_mixtures_arrays_and_dicts():
    own = Mixture("two", torch.tensor([[0.0, 0.0], [3.0, 0.0]]), 0.1)
    tasks = make_tasks(["ring8", own])
    assert [task.name for task in tasks] == ["ring8", "two"]
    assert [task.modes() for task in tasks] == [8, 2]
    named = make_tasks({"mine": points(), "theirs": torch.from_numpy(points(seed=1)), "third": own})
    assert [task.name for task in named] == ["mine", "theirs", "third"]
    assert make_tasks(points())[0].name == "data" and make_tasks("grid25")[0].name == "grid25"


def test_own_points_judge_what_is_missing():
    # two clouds; a sampler that makes only the left one
    x = np.concatenate([points(2000), points(2000, seed=1) + 20])
    rng = np.random.default_rng(2)
    task = ArrayTask("clouds", rng.permutation(x))
    both: dict[str, Any] = task.floor(4000)
    left: dict[str, Any] = task.score(torch.from_numpy(points(4000, seed=3)))
    assert both["modes_held"] == 50 and both["kl"] < 0.05
    assert left["modes"] <= 30 and left["modes_held"] <= 30
    # half the mass is missing: ln 2 at least
    assert left["kl"] >= math.log(2) - 0.05
    # of 80 bins every one of the missing half differs, and most of the others, filled twice
    assert both["different_bins"] < 15 and left["different_bins"] > 40
    assert both["recall"] > 0.8 and left["recall"] < 0.6
    assert left["precision"] > 0.8 and left["coverage"] < 0.6
    assert left["high_quality"] is None


def test_rows_have_one_part_each(monkeypatch):
    """Those that place bins are counted neither as reals nor in the floor."""
    task = ArrayTask("x", np.arange(3000.0)[:, None])
    reals, scored = task._reals, []
    monkeypatch.setattr(task, "score", lambda rows: scored.append(rows))
    task.floor(10_000)
    parts = [reals._placing, reals._counted, scored[0]]
    assert [len(part) for part in parts] == [1200, 600, 1200]
    assert sorted(torch.cat(parts)[:, 0].tolist()) == list(range(3000))


def test_few_different_points_make_few_bins():
    x = np.repeat(np.arange(3.0), 300)[:, None].repeat(2, 1)
    task = ArrayTask("three", np.random.default_rng(0).permutation(x))
    assert task.modes() == 3
    assert task.score(torch.full((500, 2), 1.0))["modes_held"] == 1


@pytest.mark.parametrize("kind", [">f4", np.longdouble, np.float16])
def test_any_floating_array_is_taken(kind):
    task = ArrayTask("x", points(600).astype(kind))
    assert task.sample(3, torch.Generator().manual_seed(0)).dtype == torch.float64


def test_several_arrays_are_numbered():
    assert [task.name for task in make_tasks([points(), points(seed=1)])] == ["data", "data-2"]


def test_known_modes_of_own_points():
    ring = mixture("ring8")
    x = ring.sample(5_000, torch.Generator().manual_seed(0)).numpy()
    task = ArrayTask("mine", x, ring)
    assert task.modes() == 8 and task.digest != ArrayTask("mine", x).digest
    fakes = ring.sample(4_000, torch.Generator().manual_seed(1))
    found: dict[str, Any] = task.score(fakes)
    expected = mode_coverage(fakes, ring)._asdict()
    assert {key: found[key] for key in expected} == expected
    assert found["spread"] == mode_spread(fakes, ring).spread
    # the reals are those held out: rows 4, 9, 14, ...
    real = torch.from_numpy(x[4::5])
    judged = precision_recall(real=real, fake=fakes[: len(real)], k=5)._asdict()
    assert {key: found[key] for key in judged} == judged
    floor: dict[str, Any] = task.floor(2_000)
    assert floor["modes_held"] == 8 and 0.9 < floor["spread"] < 1.1
    assert "3 sigma" in task.conventions["high_quality"]


def test_modes_of_another_dimension_are_refused():
    with pytest.raises(InputError, match=r"^modes: must lie in the \(3,\) of data 'x', got 2 dim"):
        ArrayTask("x", points(width=3), mixture("ring8"))


def test_the_floor_of_points_has_placed_no_bins():
    # in 30 columns k-means bins fit the very rows that placed them
    task = ArrayTask("wide", points(10_000, width=30))
    floor: dict[str, Any] = task.floor(4_000)
    assert floor["different_bins"] < 15  # 5 expected of 100, and three of their deviations


def test_pictures_are_binned_by_their_principal_components():
    # two kinds of pictures in 3 x 16 x 16; a model that makes one kind
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(2, 3, 16, 16))
    x = kinds[rng.integers(2, size=2_000)] + 0.1 * rng.normal(size=(2_000, 3, 16, 16))
    task = ArrayTask("pictures", x.astype(np.float32))
    assert "16 principal components" in task.conventions["different_bins"]
    one = torch.from_numpy(kinds[0] + 0.1 * rng.normal(size=(1_000, 3, 16, 16)))
    left: dict[str, Any] = task.score(one)
    both: dict[str, Any] = task.floor(1_000)
    assert left["modes"] < 0.6 * both["modes"] and left["different_bins"] > both["different_bins"]


def test_bins_do_not_depend_on_the_thread_count():
    scores = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        scores.append(ArrayTask("x", points()).floor(500))
    torch.set_num_threads(1)
    assert scores[0] == scores[1]


def test_images_are_taken():
    task = ArrayTask("images", np.random.default_rng(0).random((600, 1, 4, 4)).astype(np.float32))
    assert task.data_shape == (1, 4, 4)
    assert task.score(task.sample(500, torch.Generator().manual_seed(0)))["modes"] == 50


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("ring9", "data: unknown name 'ring9'"),
        ([], "data: must name at least one"),
        ({}, "data: must name at least one"),
        (["ring8", "ring8"], "data: 'ring8' is named twice"),
        (3, "data: expected a name, a path, a Mixture or an array"),
        (points(499), "must have at least 500 rows, got 499"),
        (np.full((600, 2), np.nan), "must be finite"),
        (np.ones((600, 2)), "must vary"),
        (np.zeros((600, 2), dtype=int), "must be floating"),
        (np.zeros(600), "must be floating (N, ...)"),
    ],
)
def test_bad_data_is_refused(data, words):
    with pytest.raises(InputError) as caught:
        make_tasks(data)
    assert words in str(caught.value)
