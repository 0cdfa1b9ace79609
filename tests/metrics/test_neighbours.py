"""Precision, recall, density, coverage: peers, expectations, swaps, collapse, what is refused."""

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from draws import normal

from genbench.errors import InputError
from genbench.metrics import precision_recall, precision_recall_estimate


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
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_brute_force(k, dtype):
    real, fake = normal(41, 3, 0, dtype), normal(29, 3, 1, dtype) + 0.5
    found = precision_recall(real=real, fake=fake, k=k)
    assert found == pytest.approx(brute_force(real, fake, k), rel=1e-15)


def test_arrays_and_tensors_give_the_same():
    real, fake = normal(60, 5, 0), normal(50, 5, 1)
    score = precision_recall(real=real, fake=fake)
    assert precision_recall(real=real.numpy(), fake=fake.numpy()) == score
    assert all(isinstance(value, float) for value in score)


@pytest.fixture
def torch_fidelity(monkeypatch):
    """Its module of precision and recall, without the package, which needs torchvision."""
    package = importlib.util.find_spec("torch_fidelity")
    if package is None or package.origin is None:
        pytest.skip("torch-fidelity is not installed")
    for name, attributes in {
        "torch_fidelity": (),
        "torch_fidelity.helpers": ("get_kwarg", "vprint"),
        "torch_fidelity.utils": (
            "create_feature_extractor",
            "extract_featuresdict_from_input_id_cached",
            "resolve_feature_extractor",
            "resolve_feature_layer_for_metric",
        ),
    }.items():
        stub = ModuleType(name)
        stub.__dict__.update(dict.fromkeys(attributes))
        monkeypatch.setitem(sys.modules, name, stub)
    path = Path(package.origin).with_name("metric_prc.py")
    spec = importlib.util.spec_from_file_location("metric_prc_alone", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["part", "full"])
def test_torch_fidelity_agrees(torch_fidelity, dtype, form):
    real, fake = normal(700, 16, 0, dtype), normal(500, 16, 1, dtype) * 0.8
    peer = getattr(torch_fidelity, f"calculate_precision_recall_{form}")(fake, real, 3, 300)
    score = precision_recall(real=real, fake=fake)
    assert score[:2] == pytest.approx(peer, abs=1e-6)  # its means are float32
    assert 0.1 < score.recall < score.precision < 1


def test_prdc_agrees_where_no_distance_equals_a_radius(capsys):
    compute_prdc = pytest.importorskip("prdc").compute_prdc
    real, fake = normal(400, 12, 0), normal(300, 12, 1) + 0.2
    for k in (1, 5):
        peer = compute_prdc(real.numpy(), fake.numpy(), nearest_k=k)
        score = precision_recall(real=real, fake=fake, k=k)
        for name, value in score._asdict().items():
            assert value == pytest.approx(peer[name], abs=1e-12), name


def test_prdc_differs_on_the_boundary(capsys):
    """Its balls are open, ours closed: a fake at exactly the radius is in ours alone."""
    compute_prdc = pytest.importorskip("prdc").compute_prdc
    real = np.array([[0.0], [1.0], [2.0], [3.0]])
    fake = np.array([[4.0], [-1.0], [6.0]])
    peer = compute_prdc(real, fake, nearest_k=1)
    score = precision_recall(real=real, fake=fake, k=1)
    assert (peer["precision"], peer["coverage"]) == (0, 0)
    assert score == pytest.approx((2 / 3, 1, 2 / 3, 1 / 2))


def test_swapping_exchanges_precision_and_recall_and_nothing_else_is_symmetric():
    wide, tight = normal(400, 2, 0), normal(300, 2, 1) * 0.05
    score = precision_recall(real=wide, fake=tight)
    swapped = precision_recall(real=tight, fake=wide)
    assert score.precision == swapped.recall and score.recall == swapped.precision
    assert score.precision > 0.95 and score.recall < 0.1  # a tight cluster in a wide cloud
    assert score.coverage != swapped.coverage


def equal_distributions(n, m, k, d=2, repeats=30):
    for s in range(repeats):
        yield {"real": normal(n, d, 2 * s), "fake": normal(m, d, 2 * s + 1), "k": k}


def test_expectations_on_equal_distributions():
    n, m, k = 600, 500, 4
    scores = [precision_recall(**sets) for sets in equal_distributions(n, m, k)]
    coverage = torch.tensor([s.coverage for s in scores])
    density = torch.tensor([s.density for s in scores])
    # Naeem et al. 2020, equation 9: the nearest k of n - 1 + m points are all real
    expected = 1 - math.comb(n - 1, k) / math.comb(n - 1 + m, k)
    assert coverage.mean().item() == pytest.approx(
        expected, abs=4 * coverage.std().item() / 30**0.5
    )
    assert density.mean().item() == pytest.approx(1, abs=4 * density.std().item() / 30**0.5)


def test_intervals_hold_fresh_fakes_at_their_level():
    """Conditional on the balls: real is fixed, the truth is a large sample's score (error .004)."""
    real = normal(300, 2, 0)
    truth = precision_recall(real=real, fake=normal(10_000, 2, 1) * 1.2)
    held = {"precision": 0, "density": 0}
    for seed in range(200):
        found = precision_recall_estimate(
            real=real, fake=normal(250, 2, 100 + seed) * 1.2, level=0.9
        )
        for name in held:
            estimate = getattr(found, name)
            held[name] += estimate.low <= getattr(truth, name) <= estimate.high
    # 200 trials at .9: 4 standard deviations are .085
    assert all(0.815 <= count / 200 <= 0.985 for count in held.values()), held


def test_intervals_of_recall_hold_fresh_reals_at_their_level():
    fake = normal(250, 2, 0) * 0.8
    truth = precision_recall(real=normal(10_000, 2, 1), fake=fake).recall
    held = 0
    for seed in range(100):
        found = precision_recall_estimate(real=normal(200, 2, 100 + seed), fake=fake, level=0.9)
        held += found.recall.low <= truth <= found.recall.high
    assert held / 100 >= 0.78  # 4 standard deviations of 100 trials


def test_estimates_carry_the_same_values():
    real, fake = normal(90, 3, 0), normal(80, 3, 1) + 1
    plain = precision_recall(real=real, fake=fake)
    found = precision_recall_estimate(real=real, fake=fake, level=0.99)
    assert tuple(estimate.value for estimate in found) == plain
    assert all(e.low <= e.value <= e.high and e.standard_error > 0 for e in found)
    wider = precision_recall_estimate(real=real, fake=fake, level=0.999)
    assert all(b.high - b.low > a.high - a.low for a, b in zip(found, wider, strict=True))


def test_identical_sets_are_perfect():
    x = normal(50, 4, 0)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        score = precision_recall(real=x.to(dtype), fake=x.to(dtype).clone())
        assert (score.precision, score.recall, score.coverage) == (1, 1, 1)
        assert score.density >= 4 / 3  # each fake lies in the ball of its copy and of k others


def test_a_common_offset_in_float32_changes_nothing():
    # the matrix form of the distance loses everything at an offset of 10,000
    real = torch.round(normal(500, 8, 0) * 256) / 256
    fake = real[:1].repeat(500, 1) + torch.round(normal(500, 8, 1)) / 256
    moved = precision_recall(real=(real + 1e4).float(), fake=(fake + 1e4).float())
    assert moved == precision_recall(real=real, fake=fake)
    assert moved.precision == 1.0 and moved.recall < 0.05


def test_collapse_onto_one_point():
    """All fakes one real: in its ball and in those of its neighbours; it alone is recalled."""
    real = normal(200, 20, 0, torch.float32)
    score = precision_recall(real=real, fake=real[7].repeat(150, 1))
    assert (score.precision, score.recall) == (1, 1 / 200)
    apart = torch.cdist(real.double(), real[7:8].double())[:, 0]
    radii = torch.cdist(real.double(), real.double()).kthvalue(4, dim=1).values
    near = int((apart <= radii * (1 + 1e-12)).sum())
    assert score.coverage == near / 200 and score.density == pytest.approx(near / 3)


def test_constant_features_and_copies_in_both_sets():
    ones = torch.ones(20, 3)
    assert precision_recall(real=ones, fake=ones[:9]) == pytest.approx((1, 1, 20 / 3, 1))
    assert precision_recall(real=ones, fake=ones + 1) == (0, 0, 0, 0)
    # more than k copies of each row: radius 0, a ball holds the copies and nothing beside them
    real = torch.arange(5.0).repeat(6)[:, None]
    fake = torch.tensor([0.0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5])[:, None]
    expected = (1 / 2, 1 / 5, 4 * 6 / (3 * 8), 1 / 5)
    assert precision_recall(real=real, fake=fake) == pytest.approx(expected)


def test_features_wider_than_the_sets():
    real, fake = normal(20, 300, 0), normal(15, 300, 1)
    assert precision_recall(real=real, fake=fake) == pytest.approx(brute_force(real, fake, 3))


@pytest.mark.parametrize(
    ("real", "fake", "k", "line"),
    [
        (torch.zeros(5), torch.zeros(5, 2), 3, r"real: must be \(N, d\).*got shape \(5,\)"),
        (torch.zeros(3, 2), torch.zeros(5, 2), 3, "real: must have at least 4 rows, got 3"),
        (torch.zeros(5, 2), torch.zeros(1, 2), 3, "fake: must have at least 4 rows, got 1"),
        (torch.zeros(5, 2), torch.zeros(5, 2), 0, "k: must be a whole number of at least 1, got 0"),
        (torch.zeros(5, 2), torch.zeros(5, 2), 3.0, r"k: must be a whole number .*, got 3\.0"),
        (torch.zeros(5, 2), torch.zeros(5, 2), True, "k: must be a whole number .*, got True"),
        (torch.zeros(5, 2), torch.zeros(5, 2), "3", "k: must be a whole number .*, got '3'"),
        (torch.zeros(5, 2), torch.zeros(5, 3), 3, "same width, got 2 and 3"),
        (torch.zeros(5, 2), torch.full((5, 2), math.inf), 3, r"fake: .*in 5 of 5 rows.*in row 0"),
    ],
)
def test_bad_features_are_refused(real, fake, k, line):
    with pytest.raises(InputError, match=line):
        precision_recall(real=real, fake=fake, k=k)


def test_a_row_of_nan_is_named():
    fake = torch.zeros(5, 2)
    fake[3, 1] = math.nan
    with pytest.raises(InputError, match=r"^fake: .*in 1 of 5 rows, first in row 3$"):
        precision_recall(real=torch.zeros(5, 2), fake=fake)


@pytest.mark.cuda
def test_cuda_finds_the_same():
    for dtype in (torch.float32, torch.float64):
        for d in (3, 70):
            real, fake = normal(500, d, 0, dtype), normal(400, d, 1, dtype) + 0.1
            there = precision_recall(real=real.cuda(), fake=fake.cuda())
            assert there == precision_recall(real=real, fake=fake)


def test_no_interval_of_density_goes_below_zero():
    """One fake of three in three balls: 1/3 -+ 1.96 x 1/3."""
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    fake = torch.tensor([[1.5], [50.0], [60.0], [70.0]])
    density = precision_recall_estimate(real=real, fake=fake, k=2).density
    assert density.value - 1.96 * density.standard_error < 0 == density.low < density.value
