"""Pictures of a run: sizes and pixels of mosaics, points, curves, and what cannot be drawn."""

import io

import numpy as np
import pytest
from PIL import Image

from genbench.report.training import curves_png, samples_png


def opened(content):
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize(("side", "shown"), [(8, 48), (28, 28), (20, 40), (64, 64)])
def test_small_pictures_are_enlarged(side, shown):
    x = np.full((4, 1, side, side), -1.0, dtype=np.float32)
    x[3, 0, 0, 0] = 1.0  # the first pixel of the last picture
    picture = opened(samples_png(x))
    assert picture.size == (2 * shown + 1, 2 * shown + 1)
    pixels = np.asarray(picture)
    zoom = shown // side
    assert (pixels[shown + 1 : shown + 1 + zoom, shown + 1 : shown + 1 + zoom] == 255).all()
    assert pixels.astype(bool).sum() == zoom**2


def test_colours_stay_in_their_channels():
    x = -np.ones((1, 3, 48, 48), dtype=np.float32)
    x[0, 1] = 1.0
    assert (np.asarray(opened(samples_png(x)))[0, 0] == (0, 255, 0)).all()


def test_points_are_drawn_and_other_vectors_are_not():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((50, 2))
    alone, beside = samples_png(points), samples_png(points, points + 1)
    assert opened(alone).size == opened(beside).size and alone != beside
    assert samples_png(rng.standard_normal((50, 3))) is None


def test_curves_have_a_panel_for_each_term():
    log = [{"step": s, "a": 1.0 / s, **({"b": 2.0} if s == 4 else {})} for s in range(1, 9)]
    one, two = curves_png([{"step": 1, "a": 1.0}]), curves_png(log)
    assert opened(two).width == 2 * opened(one).width
    assert curves_png([]) is None and curves_png([{"step": 1}]) is None
