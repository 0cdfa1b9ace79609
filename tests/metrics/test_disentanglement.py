"""The mutual-information gap of codes whose information is known."""

import math

import pytest
import torch

from genbench.errors import InputError
from genbench.metrics import mutual_information_gap


def factors(n=20000, k=2, values=10):
    rng = torch.Generator().manual_seed(0)
    return torch.randint(values, (n, k), generator=rng).double()


def gap(codes, v, **options):
    return mutual_information_gap(codes=codes, factors=v, **options)


def test_a_perfect_code_has_gap_one():
    v = factors()
    found = gap(v * torch.tensor([3.0, -0.1]) + 7, v)
    # another factor's 10 values tell about 81 / (2 20000) nats by chance
    assert found.gap == pytest.approx(1, abs=0.005)
    assert found.information[0, 0].item() == pytest.approx(math.log(10), abs=1e-3)


def test_a_code_rotated_by_45_degrees_has_none():
    rng = torch.Generator().manual_seed(1)
    v = torch.rand(50000, 2, generator=rng, dtype=torch.float64)
    half = math.sqrt(0.5)
    turned = v @ torch.tensor([[half, -half], [half, half]], dtype=torch.float64)
    straight, rotated = gap(v, v), gap(turned, v)
    assert straight.gap > 0.99
    assert abs(rotated.gap) < 0.01
    # h(z) of the triangular law less h(z | v) of a uniform one: 1/2 nat; intervals lose some
    assert rotated.information.mean().item() == pytest.approx(0.5, abs=0.05)


def test_a_factor_in_two_dimensions_is_no_gain():
    v = factors()
    found = gap(torch.cat([v, v[:, :1]], 1), v)
    assert found.each[0].item() == pytest.approx(0, abs=1e-12)
    assert found.each[1].item() == pytest.approx(1, abs=0.005)


def test_information_of_a_noisy_channel():
    """A symmetric channel of error e carries ln 2 - H(e) of a fair bit."""
    rng = torch.Generator().manual_seed(2)
    v = torch.randint(2, (100000, 1), generator=rng).double()
    flips = (torch.rand(100000, 1, generator=rng) < 0.1).double()
    code = torch.cat([(v - flips).abs(), torch.rand(100000, 1, generator=rng)], 1)
    lost = -(0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    found = gap(code, v)
    # standard error of 100000 rows: .003
    assert found.information[0, 0].item() == pytest.approx(math.log(2) - lost, abs=0.01)


@pytest.mark.parametrize(
    ("codes", "v", "words"),
    [
        (torch.rand(5, 1), torch.rand(5, 1), "codes: a gap needs at least 2 dimensions, got 1"),
        (torch.rand(5, 2), torch.rand(4, 1), "must have as many rows, got 5 and 4"),
        (torch.rand(5, 2), torch.ones(5, 1), "factors: column 0 has one value alone"),
        (torch.rand(5), torch.rand(5, 1), r"codes: must be \(N, d\)"),
    ],
)
def test_unfit_arguments_are_refused(codes, v, words):
    with pytest.raises(InputError, match=words):
        gap(codes, v)
