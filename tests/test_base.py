"""What every door of a model asks of its data."""

import pytest
import torch

from genbench.base import check_mask, check_x
from genbench.data import Epochs, open_dataset
from genbench.errors import InputError


@pytest.mark.parametrize(
    ("x", "shape", "words"),
    [
        ([1.0], (1,), "x must be a floating tensor, got list"),
        (torch.zeros(2, 3, dtype=torch.uint8), (3,), "x must be a floating tensor, got uint8"),
        (torch.zeros(2, 3), (4,), r"x must be \(n, 4\), got \(2, 3\)"),
        (torch.tensor(0.0), (), r"x must be \(n\), got \(\)"),
        (torch.zeros(8, 8), (1, 8, 8), r"x must be \(n, 1, 8, 8\), got \(8, 8\)"),
        (torch.full((1, 1, 2, 2), 255.0), (1, 2, 2), "got values from 255 to 255"),
        (torch.tensor([[[[0.0, float("nan")]]]]), (1, 1, 2), r"x must lie in \[-1, 1\], got"),
    ],
)
def test_unfit_data_are_named(x, shape, words):
    with pytest.raises(InputError, match=words):
        check_x(x, shape)


def test_what_fits_passes():
    check_x(torch.zeros(0, 3), (3,))
    check_x(torch.full((2, 3), 100.0), (3,))  # vectors have no range
    check_x(torch.full((2, 1, 1, 1), 2.0, dtype=torch.float16), (1, 1, 1), within=False)
    with pytest.raises(InputError, match="z must lie"):
        check_x(torch.full((2, 3), 100.0), (3,), name="z", within=True)


@pytest.mark.parametrize("size", [8, 28])
def test_our_own_pictures_pass(size):
    data = open_dataset("digits", size=size)
    for dtype in (torch.float16, torch.float32, torch.float64):
        check_x(next(Epochs(data.train, batch_size=1437, seed=0, dtype=dtype)).x, data.data_shape)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (None, r"mask must be bool \(2, 3\), got no tensor \(\)"),
        (torch.ones(2, 3), r"mask must be bool \(2, 3\), got float32 \(2, 3\)"),
        (torch.ones(3, dtype=torch.bool), r"mask must be bool \(2, 3\), got bool \(3,\)"),
    ],
)
def test_an_unfit_mask_is_named(mask, words):
    with pytest.raises(InputError, match=words):
        check_mask(mask, torch.zeros(2, 3))
    check_mask(torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3))
