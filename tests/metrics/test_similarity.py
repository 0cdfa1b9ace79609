"""SSIM against scikit-image and by hand; MS-SSIM from ndimage's windows, and its small images."""

import math

import numpy as np
import pytest
import torch
from draws import scored_in_many_ways
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.metrics import structural_similarity

from genbench.errors import InputError
from genbench.metrics import (
    ms_ssim,
    ms_ssim_each,
    ms_ssim_estimate,
    ssim,
    ssim_each,
    ssim_estimate,
)
from genbench.metrics.similarity import SCALE_WEIGHTS, scale_weights

METRICS = [ssim_each, ms_ssim_each]


def noisy(*shape, seed=0, noise=20.0):
    """Smooth images and the same with noise, uint8."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), (0, 0, 3, 3))
    clean = 127 + 100 * smooth / np.abs(smooth).max()
    dirty = (clean + rng.normal(size=shape) * noise).clip(0, 255)
    return torch.from_numpy(clean).byte(), torch.from_numpy(dirty).byte()


@pytest.mark.parametrize("shape", [(3, 3, 32, 32), (2, 1, 28, 17), (2, 1, 11, 11), (1, 2, 64, 47)])
@pytest.mark.parametrize("noise", [5.0, 100.0])
def test_agrees_with_scikit_image(shape, noise):
    a, b = noisy(*shape, noise=noise)
    for x, y, width in ((a, b, 255), (a.double() / 255, b.double() / 255, 1.0)):
        expected = [
            structural_similarity(
                one.numpy(),
                other.numpy(),
                channel_axis=0,
                data_range=width,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for one, other in zip(x, y, strict=True)
        ]
        found = ssim_each(real=x, fake=y, data_range=width)
        # both in float64: variances cancel against means up to 255^2, C2 is 59
        assert found.numpy() == pytest.approx(np.array(expected), abs=1e-11)


def windowed(x):
    """ndimage's Gaussian average where the window lies inside."""
    return ndimage.gaussian_filter(x, 1.5, truncate=3.5)[5:-5, 5:-5]


def multiscale(x, y, weights):
    """MS-SSIM of one channel (H, W), by variances of differences from the local mean."""
    value = 1.0
    for number, weight in enumerate(weights):
        mx, my = windowed(x), windowed(y)
        # sigma_x^2 + sigma_y^2 and 2 sigma_xy from sums and differences of the images
        plus, minus = (windowed((x + s * y) ** 2) - windowed(x + s * y) ** 2 for s in (1, -1))
        factor = ((plus - minus) / 2 + 58.5225) / ((plus + minus) / 2 + 58.5225)
        if number == len(weights) - 1:
            factor = factor * (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)
        value *= factor.mean() ** weight
        # symmetric extension at the far edge, then every other 2 x 2 mean
        x, y = (ndimage.uniform_filter(z, 2, mode="reflect", origin=-1)[::2, ::2] for z in (x, y))
    return value


@pytest.mark.parametrize(
    ("side", "scales"), [((161, 180), 5), ((176, 176), 5), ((100, 111), 4), ((28, 28), 2)]
)
def test_several_scales(side, scales):
    a, b = noisy(1, 1, *side, noise=60.0)
    weights = np.array(SCALE_WEIGHTS[:scales])
    weights = weights if scales == 5 else weights / weights.sum()
    expected = multiscale(a[0, 0].numpy().astype(float), b[0, 0].numpy().astype(float), weights)
    assert 0.1 < expected < 0.95
    assert ms_ssim(real=a, fake=b) == pytest.approx(expected, abs=1e-11)  # as above


def test_scales_are_those_that_hold_the_window():
    assert scale_weights(161, 500) == list(SCALE_WEIGHTS)
    assert [len(scale_weights(side, side)) for side in (11, 20, 21, 40, 41, 80, 81, 160, 161)] == (
        [1, 1, 2, 2, 3, 3, 4, 4, 5]
    )
    assert scale_weights(28, 400) == pytest.approx([0.0448 / 0.3304, 0.2856 / 0.3304])
    assert sum(scale_weights(100, 100)) == pytest.approx(1, abs=1e-15)
    a, b = noisy(2, 1, 20, 20)
    assert ms_ssim_each(real=a, fake=b).equal(ssim_each(real=a, fake=b))  # one scale, of weight 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("side", [(8, 8), (10, 40), (40, 10)])
def test_images_smaller_than_the_window_are_refused(metric, side):
    x = torch.zeros(2, 1, *side, dtype=torch.uint8)
    words = f"SSIM needs images of at least 11 x 11 pixels, its window, got {side[0]} x {side[1]}"
    with pytest.raises(InputError, match=words):
        metric(real=x, fake=x)


@pytest.mark.parametrize("side", [11, 30, 161])
def test_equal_images_have_one(side):
    a, _ = noisy(2, 3, side, side)
    x = a.float() / 255
    assert ssim(real=a, fake=a) == ms_ssim(real=a, fake=a) == 1.0
    assert ssim(real=x, fake=x, data_range=1.0) == ms_ssim(real=x, fake=x, data_range=1.0) == 1.0


@pytest.mark.parametrize(("a", "b"), [(0, 255), (10, 20), (200, 201)])
def test_constant_images_differ_in_luminance_alone(a, b):
    x, y = (torch.full((1, 1, 40, 40), value, dtype=torch.uint8) for value in (a, b))
    expected = (2 * a * b + 6.5025) / (a * a + b * b + 6.5025)
    assert ssim(real=x, fake=y) == pytest.approx(expected, abs=1e-12)
    # luminance enters on the last of two scales
    assert ms_ssim(real=x, fake=y) == pytest.approx(expected ** (0.2856 / 0.3304), abs=1e-12)


def test_inverted_contrast_is_negative():
    a = torch.randint(256, (2, 1, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    # equal means near 127, variances far above C2: nearly -1
    assert ssim(real=a, fake=255 - a) < -0.9
    # a negative mean has no power: it counts as 0
    assert ms_ssim(real=a, fake=255 - a) == 0.0


def test_a_checkerboard_by_hand():
    # period 2, contrast d about m: local variance nearly d^2, covariance of a board with its
    # inverse nearly -d^2; the window's weights of the two colours differ by its transform at the
    # highest frequency, exp(-pi^2 1.5^2) in both directions
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(10, 10)[None, None]
    c1, c2, m, d = 1e-4, 9e-4, 0.5, 0.25
    found = ssim(real=m + d * board, fake=m - d * board, data_range=1.0)
    assert found == pytest.approx((c2 - 2 * d * d) / (c2 + 2 * d * d), abs=1e-5)
    shifted = ssim(real=m + d * board, fake=m + 0.1 + d * board, data_range=1.0)
    luminance = (2 * 0.5 * 0.6 + c1) / (0.25 + 0.36 + c1)
    assert shifted == pytest.approx(luminance, abs=1e-5)


@pytest.mark.parametrize("metric", METRICS)
# two images on two scales take about 5 ms
@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), height=st.integers(11, 24), width=st.integers(11, 24))
def test_symmetry_order_range_and_flips(metric, seed, height, width):
    rng = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, 2, 1, height, width, generator=rng, dtype=torch.float64)
    found = metric(real=a, fake=b, data_range=1.0)
    assert metric(real=b, fake=a, data_range=1.0).equal(found)
    assert metric(real=a.flip(0), fake=b.flip(0), data_range=1.0).equal(found.flip(0))
    assert bool((found <= 1).all()) and bool((found >= -1).all())
    scaled = metric(real=64 * a, fake=64 * b, data_range=64)
    assert scaled.numpy() == pytest.approx(found.numpy(), abs=1e-12)
    turned = metric(real=a.mT, fake=b.mT, data_range=1.0)
    assert turned.numpy() == pytest.approx(found.numpy(), abs=1e-12)
    if height % 2 == width % 2 == 0:  # an odd last row is averaged with itself, a first one not
        flipped = metric(real=a.flip(-1, -2), fake=b.flip(-1, -2), data_range=1.0)
        assert flipped.numpy() == pytest.approx(found.numpy(), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_threads_batches_layouts_and_arrays_do_not_matter(metric, monkeypatch):
    a, b = (x / 255 for x in noisy(12, 3, 53, 47))
    found = scored_in_many_ways(metric, a, b, monkeypatch)
    assert all(values.equal(found[0]) for values in found)


def test_one_large_image_does_not_depend_on_threads():
    # above torch's grain of 32,768 values, where it splits a sum over threads
    a, b = noisy(1, 1, 300, 300)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append((ssim(real=a, fake=b), ms_ssim(real=a, fake=b)))
    torch.set_num_threads(1)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("each", "plain", "estimate"),
    [(ssim_each, ssim, ssim_estimate), (ms_ssim_each, ms_ssim, ms_ssim_estimate)],
)
def test_the_interval_is_that_of_the_pairs(each, plain, estimate):
    a, b = noisy(30, 1, 21, 21)
    values, found = each(real=a, fake=b), estimate(real=a, fake=b)
    assert found.value == plain(real=a, fake=b) == pytest.approx(values.mean().item())
    assert found.standard_error == pytest.approx(values.std().item() / math.sqrt(30))
    with pytest.raises(InputError, match="real: must have at least 2 images, got 1"):
        estimate(real=a[:1], fake=b[:1])


@pytest.mark.cuda
@pytest.mark.parametrize("metric", METRICS)
def test_cuda_agrees(metric):
    a, b = noisy(3, 3, 64, 64)
    expected = metric(real=a, fake=b)
    # fused multiply-adds round otherwise
    assert metric(real=a.cuda(), fake=b.cuda()).numpy() == pytest.approx(
        expected.numpy(), abs=1e-11
    )
