"""What a perfect sampler's Frechet distance is on average, against samples."""

import math

import pytest
import torch

from genbench.errors import InputError
from genbench.metrics import expected_frechet_distance, frechet_distance
from genbench.metrics.frechet import Side
from genbench.metrics.frechet_floor import expected_distance


@pytest.mark.parametrize("d", [1, 3, 40])
def test_a_standard_normal_law_has_its_closed_form(d):
    law = Side(torch.zeros(d).double(), torch.eye(d, dtype=torch.float64), float(d))
    n = 500
    exact = d / n + d * (d + 1) / (4 * (n - 1))  # against exact moments: the other side is infinite
    assert expected_distance(law, n, 10**15) == pytest.approx(exact, rel=1e-9)
    assert expected_distance(law, n, n) == pytest.approx(2 * exact, rel=1e-9)


@pytest.mark.parametrize(
    ("scales", "n", "m"),
    [
        ([1.0, 1.0, 1.0], 300, 200),
        ([10.0, 1.0, 0.1, 0.01], 400, 400),
        ([1.0, 1.0, 0.0], 300, 600),  # a column that is constant
        ([2.0 ** -(i / 3) for i in range(20)], 800, 1600),
    ],
)
def test_samples_score_it_on_average(scales, n, m):
    d, repeats = len(scales), 150
    rng = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(d, d, generator=rng, dtype=torch.float64)).Q
    scale = torch.tensor(scales, dtype=torch.float64)

    def draw(rows):
        return torch.randn(rows, d, generator=rng, dtype=torch.float64) * scale @ turn

    found = torch.tensor([frechet_distance(real=draw(n), fake=draw(m)) for _ in range(repeats)])
    error = found.std().item() / math.sqrt(repeats)
    expected = expected_frechet_distance(real=draw(20_000), samples=m)
    # the law's own moments, from 20,000 rows; the expansion leaves out terms of order (d / n)^2
    law = Side(torch.zeros(d).double(), (turn.T * scale).contiguous(), float(scale.square().sum()))
    first_order = expected_distance(law, n, m)
    assert found.mean().item() == pytest.approx(first_order, rel=2 * d / n, abs=4 * error)
    assert expected_distance(law, 20_000, m) == pytest.approx(expected, rel=0.05)


def test_too_few_rows_are_refused():
    with pytest.raises(InputError, match="real: must be at least 2 d = 20, got 19"):
        expected_frechet_distance(real=torch.randn(19, 10), samples=100)
    with pytest.raises(InputError, match="samples: must be at least 2 d = 20, got 5"):
        expected_frechet_distance(real=torch.randn(100, 10), samples=5)
