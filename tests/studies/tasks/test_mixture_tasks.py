"""Tasks of named mixtures: every score against the metric itself, and floors by simulation."""

import math
from typing import Any

import pytest
import torch

from genbench.data import Mixture, mixture
from genbench.metrics import mode_coverage, mode_spread
from genbench.studies.tasks import SCORES, MixtureTask, make_tasks
from genbench.studies.tasks.reals import Reals, near_rows


def drawn(task, n, seed=0):
    return task.sample(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["ring8", "spiral", "random25"])
def test_scores_are_those_of_the_metrics(name):
    (task,) = make_tasks(name)
    x = drawn(task, 3_000)
    found: dict[str, Any] = task.score(x)
    assert tuple(found) == SCORES and None not in found.values()
    known = mode_coverage(x, mixture(name))._asdict()
    assert {key: found[key] for key in known} == known
    assert found["spread"] == mode_spread(x, mixture(name)).spread
    for key in ("precision", "recall", "coverage"):
        assert 0.9 < found[key] <= 1, key
    assert 0.9 < found["density"] < 1.1 and found["different_bins"] < 20


@pytest.mark.parametrize("name", ["grid25", "swissroll"])
def test_fresh_samples_score_the_floor(name):
    (task,) = make_tasks(name)
    n, trials = 4_000, 8
    floor: dict[str, Any] = task.floor(n)
    assert tuple(floor) == SCORES
    scores: list[dict[str, Any]] = [
        dict(task.score(drawn(task, n, 100 + k))) for k in range(trials)
    ]
    for key in SCORES:
        values = torch.tensor([score[key] for score in scores], dtype=torch.float64)
        # the floor may be a mean of ten draws itself
        error = 5 * values.std().item() * math.sqrt(1 / trials + 1 / 10) + 2e-4
        assert floor[key] == pytest.approx(values.mean().item(), abs=error), key


def test_a_collapse_shows_in_every_score():
    (task,) = make_tasks("grid25")
    one = Mixture("one", mixture("grid25").means[:1], 0.005)
    found: dict[str, Any] = task.score(one.sample(4_000, torch.Generator().manual_seed(0)))
    floor: dict[str, Any] = task.floor(4_000)
    assert (found["modes"], found["modes_held"]) == (1, 1)
    assert found["high_quality"] == 1 and found["spread"] == pytest.approx(0.1, abs=0.01)
    assert found["kl"] == pytest.approx(math.log(25))
    # all bins lost their share but those of the mode; four points far apart make 100 bins
    assert found["different_bins"] > 90 > 20 > floor["different_bins"]
    assert found["precision"] == 1 and found["recall"] < 0.05 and found["coverage"] < 0.05


def test_no_sample_near_a_mode():
    (task,) = make_tasks("ring8")
    far = torch.full((1_000, 2), 1e30, dtype=torch.float64)
    found: dict[str, Any] = dict(task.score(far))
    assert (found["modes"], found["high_quality"], found["precision"]) == (0, 0, 0)
    assert found["kl"] is None and found["spread"] is None
    assert found["different_bins"] > 95  # all but those of a handful of reals


def test_the_reals_are_the_same_whenever_they_are_drawn():
    a, b = (MixtureTask(mixture("ring8")) for _ in range(2))
    x = drawn(a, 2_500)
    torch.rand(3)  # no global generator has a part in it
    assert a.score(x) == b.score(x) and a.floor(2_500) == b.floor(2_500)
    assert a.score(x) != MixtureTask(mixture("ring8-pacgan")).score(x)


def test_threads_do_not_matter():
    x = drawn(MixtureTask(mixture("swissroll")), 5_000)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(MixtureTask(mixture("swissroll")).score(x))
    torch.set_num_threads(1)
    assert found[0] == found[1]


def test_fewer_samples_than_neighbours_have_no_precision():
    (task,) = make_tasks("ring8")
    found = task.score(drawn(task, 3))
    assert found["precision"] is None and found["modes"] is not None


def test_1200_dimensions():
    (task,) = make_tasks("veegan1200")
    assert task.data_shape == (1200,) and near_rows(1200) == 258
    x = drawn(task, 1_000)
    found: dict[str, Any] = task.score(x)
    assert (found["modes"], found["modes_held"]) == (10, 10)
    assert found["high_quality"] == pytest.approx(0.98889, abs=4 * math.sqrt(0.011 / 1_000))
    assert found["spread"] == pytest.approx(1, abs=0.01)
    # a generator without noise inside the modes; and one that has it in all 1200 directions
    centres = task.score(mixture("veegan1200").means.repeat(100, 1))
    assert (centres["spread"], centres["high_quality"]) == (0, 1)
    every = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    assert task.score(every)["high_quality"] == 0
    rules = task.conventions
    assert "28.08 sigma" in rules["high_quality"] and "700 dimensions" in rules["high_quality"]


def test_conventions_say_what_overlapping_modes_are_compared_with():
    overlapping, apart = (make_tasks(name)[0].conventions["kl"] for name in ("spiral", "grid25"))
    assert "overlap" in overlapping and "equal weights" in apart


def test_a_floor_is_the_mean_of_ten_draws(monkeypatch):
    values = iter(range(100))
    monkeypatch.setattr(Reals, "score", lambda self, rows: {"coverage": next(values)})
    assert MixtureTask(mixture("ring8")).floor(50)["coverage"] == 4.5


def test_components_are_those_of_what_varies():
    """Far from the origin the mean is no direction to keep."""
    rng = torch.Generator().manual_seed(0)
    x = 1e-3 * torch.randn(3000, 40, generator=rng, dtype=torch.float64)
    x[:, 0] += 1000
    x[:, 1:17] *= 1000
    reals = Reals(placing=x[:1000], counted=x[1000:], near=x)
    # 16 directions of variance 1; 3,000 rows: five standard errors of their sum are 3 %
    assert reals.reduced(x).var(dim=0).sum().item() == pytest.approx(16, rel=0.03)
