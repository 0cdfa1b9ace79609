"""PSNR by hand and against scikit-image; the images that any metric of pixels takes."""

import math

import numpy as np
import pytest
import torch
from draws import scored_in_many_ways
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from genbench.errors import InputError
from genbench.metrics import pixels, psnr, psnr_each, psnr_estimate


def bytes_of(*shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=rng, dtype=torch.uint8)


def test_by_hand():
    black, white = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert psnr(real=black, fake=white, data_range=1.0) == 0.0  # error = range
    one_pixel = black.clone()
    one_pixel[0, 0, 0, 0] = 1.0
    assert psnr(real=black, fake=one_pixel, data_range=1.0) == pytest.approx(10 * math.log10(4))
    # a tenth of the range everywhere: 20 dB; the mean is over pairs, not over their errors
    tenth = torch.cat([white, white * 0.9])
    assert psnr(real=torch.cat([black, white]), fake=tenth, data_range=1.0) == pytest.approx(10)
    assert psnr_each(real=black.byte(), fake=white.byte()).item() == pytest.approx(
        20 * math.log10(255)
    )


@pytest.mark.parametrize("shape", [(4, 3, 32, 32), (3, 1, 28, 17), (2, 3, 200, 200)])
def test_agrees_with_scikit_image(shape):
    a, b = bytes_of(*shape), bytes_of(*shape, seed=1)
    expected = [peak_signal_noise_ratio(x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True)]
    # sums of exact integers: the logarithm rounds
    assert psnr_each(real=a, fake=b).numpy() == pytest.approx(np.array(expected), rel=1e-14)
    x, y = a.double() / 255, b.double() / 255
    assert psnr(real=x, fake=y, data_range=1.0) == pytest.approx(np.mean(expected), rel=1e-12)


def test_equal_pairs_are_infinitely_good():
    a = bytes_of(3, 1, 8, 8)
    b = a.clone()
    b[1, 0, 0, 0] ^= 1
    assert torch.isinf(psnr_each(real=a, fake=b)).tolist() == [True, False, True]
    assert psnr(real=a, fake=b) == math.inf
    found = psnr_estimate(real=a, fake=b)
    assert found.value == math.inf and all(math.isnan(end) for end in found[1:])


@given(st.integers(0, 2**32), st.sampled_from([1, 3]), st.integers(1, 9), st.floats(0.01, 1e4))
def test_range_order_flips_and_symmetry(seed, channels, side, scale):
    rng = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, 4, channels, side, 7, generator=rng, dtype=torch.float64)
    found = psnr_each(real=a, fake=b, data_range=1.0)
    assert psnr_each(real=b, fake=a, data_range=1.0).equal(found)
    order = torch.randperm(4, generator=rng)
    assert psnr_each(real=a[order], fake=b[order], data_range=1.0).equal(found[order])
    # another unit, another way to look: the rounding of sums of 200 terms
    scaled = psnr_each(real=a * scale, fake=b * scale, data_range=scale)
    turned = psnr_each(real=a.flip(-1).mT, fake=b.flip(-1).mT, data_range=1.0)
    assert scaled.numpy() == pytest.approx(found.numpy(), abs=1e-12)
    assert turned.numpy() == pytest.approx(found.numpy(), abs=1e-12)


def test_threads_batches_layouts_and_arrays_do_not_matter(monkeypatch):
    a, b = bytes_of(60, 3, 41, 37) / 255, bytes_of(60, 3, 41, 37, seed=1) / 255
    found = scored_in_many_ways(psnr_each, a, b, monkeypatch)
    assert all(values.equal(found[0]) for values in found)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_precision_is_taken(dtype):
    a, b = torch.full((1, 1, 3, 3), 0.5, dtype=dtype), torch.full((1, 1, 3, 3), 0.25)
    assert psnr(real=a, fake=b, data_range=1.0) == pytest.approx(20 * math.log10(4))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 1001])
def test_row_sums_add_every_entry_once(n):
    x = torch.arange(2.0 * n, dtype=torch.float64).reshape(2, n) ** 2  # exact
    assert pixels.row_sums(x).equal(x.sum(dim=1))


def test_the_interval_is_that_of_the_pairs():
    a, b = bytes_of(50, 1, 8, 8), bytes_of(50, 1, 8, 8, seed=1)
    each, found = psnr_each(real=a, fake=b), psnr_estimate(real=a, fake=b)
    assert found.value == psnr(real=a, fake=b)
    assert found.standard_error == pytest.approx(each.std().item() / math.sqrt(50))


# What images are: the same answers from every metric of pixels, which ask `pixels.image_pair`.
IMAGES = torch.full((2, 1, 11, 11), 0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data_range": None}, "data_range: must be given for floating images, as real are"),
        ({"data_range": 0.0}, "data_range: must be a finite number > 0, got 0.0"),
        ({"data_range": math.nan}, "data_range: must be a finite number > 0, got nan"),
        ({"real": IMAGES[0]}, r"real: must be images \(N, C, H, W\), .* got shape \(1, 11, 11\)"),
        ({"fake": IMAGES[:0]}, r"fake: must be images .* at least one, got shape \(0, 1, 11, 11\)"),
        ({"fake": IMAGES.long()}, "fake: must be uint8 or floating, got int64"),
        ({"fake": "images"}, "fake: must be a tensor or an array"),
        ({"fake": IMAGES[..., :-1]}, r"same image shape .* \(1, 11, 11\) and \(1, 11, 10\)"),
        ({"fake": IMAGES[:1]}, "must be as many images, pair by pair, got 2 and 1"),
        ({"fake": IMAGES.byte()}, "fake: must both be uint8 or both floating|data_range: must be"),
        ({"fake": IMAGES * math.nan}, "fake: must be finite, got NaN or infinity in 2 of 2 images"),
        (
            {"fake": torch.stack([IMAGES[0], IMAGES[0] / 0])},
            "fake: must be finite, got NaN or infinity in 1 of 2 images, first in image 1",
        ),
        ({"fake": IMAGES * 255}, "fake: must lie in 0..data_range = 1, got 127.5 to 127.5 in im"),
        ({"real": -IMAGES}, "add 1, data_range 2"),
        ({"real": IMAGES * 2, "fake": -IMAGES * 2, "data_range": 2.0}, "fake: must lie in 0..data"),
    ],
)
def test_bad_images_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        psnr(**{"real": IMAGES, "fake": IMAGES, "data_range": 1.0, **change})


def test_bytes_have_their_range():
    a = bytes_of(2, 1, 3, 3)
    assert psnr(real=a, fake=a.flip(-1)) == psnr(real=a, fake=a.flip(-1), data_range=255)
    with pytest.raises(InputError, match="data_range: must be 255 for uint8 images, got 1"):
        psnr(real=a, fake=a, data_range=1.0)
    with pytest.raises(InputError, match="must both be uint8 or both floating, got uint8 and floa"):
        psnr(real=a, fake=a.float(), data_range=255)


def test_outputs_that_were_not_clipped_are_taken():
    # 0.5 below black: 10 log10(1 / 0.16) at 0.4 below
    below = torch.full((1, 1, 2, 2), -0.4)
    found = psnr(real=torch.zeros(1, 1, 2, 2), fake=below, data_range=1.0)
    assert found == pytest.approx(-20 * math.log10(0.4), rel=1e-6)  # 0.4 in float32


def test_one_pair_has_no_interval():
    with pytest.raises(InputError, match="real: must have at least 2 images, got 1"):
        psnr_estimate(real=bytes_of(1, 1, 3, 3), fake=bytes_of(1, 1, 3, 3))
