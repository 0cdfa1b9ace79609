"""Input that the libraries genbench is checked against answer wrongly, and the answers here.

Their answers are asserted too, for torch-fidelity 0.4.0: a version that mends one ends its entry.
"""

import importlib.util
import math

import numpy as np
import pytest
import torch

from genbench.errors import InputError
from genbench.metrics import (
    frechet_distance,
    frechet_distance_from_moments,
    kernel_distance,
    precision_recall,
)
from genbench.metrics.extractors.vision import import_fidelity

if importlib.util.find_spec("torch_fidelity") is None:
    pytest.skip("torch-fidelity is not installed", allow_module_level=True)


def fidelity(name: str):
    """A module of torch-fidelity."""
    import_fidelity()
    return importlib.import_module(f"torch_fidelity.{name}")


def their_precision_recall(real: torch.Tensor, fake: torch.Tensor) -> dict[str, float]:
    metric = fidelity("metric_prc").prc_features_to_metric
    return metric(fake, real, prc_neighborhood=3, verbose=False)


def cloud(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_collapsed_fakes_far_from_the_origin_in_float32():
    """x'x - 2 x'y + y'y of numbers near 1e4 rounds by 100, more than all distances are."""
    real = cloud(500, 16)
    fake = real[:10].repeat(50, 1) + 1e-2 * cloud(500, 16, 1)
    theirs = their_precision_recall(real + 1e4, fake + 1e4)
    assert (theirs["precision"], theirs["recall"]) == (1.0, 1.0)
    found = precision_recall(real=real + 1e4, fake=fake + 1e4)
    assert (found.precision, found.recall) == (1.0, 10 / 500)  # the copied rows are found, no other


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_row_that_is_not_finite(value):
    real, fake = cloud(200, 8), cloud(200, 8, 1)
    bad = fake.clone()
    bad[17, 3] = value
    assert 0 < their_precision_recall(real, bad)["precision"] < 1  # in silence
    for metric in (precision_recall, frechet_distance, kernel_distance):
        with pytest.raises(InputError, match=r"^fake: must be finite, .* in 1 of 200 rows, .* 17$"):
            metric(real=real, fake=bad)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_more_rows_than_neighbours(n):
    real, fake = cloud(50, 8), cloud(n, 8, 1)
    with pytest.raises(RuntimeError, match="kthvalue"):
        their_precision_recall(real, fake)
    with pytest.raises(InputError, match=rf"^fake: must have at least 4 rows, got {n}$"):
        precision_recall(real=real, fake=fake)


def test_identical_sets_are_at_zero():
    x = cloud(300, 40)
    fid = fidelity("metric_fid")
    moments = fid.fid_features_to_statistics(x.double())
    theirs = fid.fid_statistics_to_metric(moments, moments, False)["frechet_inception_distance"]
    assert theirs != 0
    assert frechet_distance(real=x, fake=x.clone()) == 0
    pair = moments["mu"], moments["sigma"]
    assert frechet_distance_from_moments(real=pair, fake=pair) == 0


def test_fewer_rows_than_columns_are_exact_and_warned_of():
    real, fake = cloud(30, 100).double(), 1.5 * cloud(20, 100, 1).double() + 0.2
    with pytest.warns(UserWarning, match=r"biased upward below 2 d = 200 rows; real has 30, fake"):
        found = frechet_distance(real=real, fake=fake)
    # through (d, d) matrices: tr (S1 S2)^(1/2) of the symmetric form S1^(1/2) S2 S1^(1/2)
    s1, s2 = (np.cov(x.numpy(), rowvar=False) for x in (real, fake))
    values, vectors = np.linalg.eigh(s1)
    root = vectors * np.sqrt(values.clip(min=0)) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ s2 @ root).clip(min=0)).sum()
    apart = (real.mean(0) - fake.mean(0)).square().sum().item()
    # 71 eigenvalues of 1e-15 for zeros enter the oracle by their roots
    assert found == pytest.approx(apart + np.trace(s1) + np.trace(s2) - 2 * shared, rel=1e-6)
