"""Samples for the page: what is kept within the budget, where points land, how images are laid."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from study_rows import ring, ring_samples, row, samples_of

from genbench.report.gallery import gallery, mosaic
from genbench.report.groups import group_rows
from genbench.report.page import embedded
from genbench.report.plane import OUTSIDE, plane_of

MODES = {"means": ring(), "sigma": np.array(0.05)}


def decoded(text):
    return np.frombuffer(base64.b64decode(text), "<i2").reshape(-1, 2)


def shown(rows, samples, **options):
    (group,) = group_rows(rows)
    found = gallery(group, samples, **options)
    assert found is not None
    return found


def test_points_come_back_to_a_thousandth_of_the_view():
    points = np.array([[0.3, -0.9], [50.0, 0.0], [np.nan, 1.0]], np.float32)
    (cell,) = shown([row()], samples_of([row()], MODES, [points]))["cells"]
    plane = plane_of(MODES)
    assert plane is not None
    back = decoded(cell["frames"][0])
    assert (back[1:] == OUTSIDE).all()  # out of view, and not a number
    assert back[0] / 32000 * plane.reach == pytest.approx(points[0], abs=plane.reach / 32000)
    assert (cell["steps"], cell["held"], cell["status"]) == ([50], [8], "ok")


def test_a_default_study_stays_small():
    """8 losses x 2 data x 6 seeds x 20 evaluations of 512 points: below 8 MB with all else."""
    total = 0
    for _ in range(2):
        rows = [row(f"loss{i}", s) for i in range(8) for s in range(6)]
        found = shown(rows, ring_samples(rows, count=512, frames=20), budget=4_500_000 // 2)
        assert len(found["cells"]) == 48 and len(found["cells"][0]["frames"]) == 20
        assert len(decoded(found["cells"][0]["frames"][0])) >= 400
        total += len(embedded(found))
    assert total < 5_500_000


@pytest.mark.parametrize("budget", [3_000, 30_000, 300_000])
def test_fewer_samples_then_frames_then_seeds(budget):
    rows = [row(loss, s) for loss in ("a", "b") for s in range(4)]
    found = shown(rows, ring_samples(rows, count=512, frames=20), budget=budget)
    steps = found["cells"][0]["steps"]
    size = sum(len(text) for cell in found["cells"] for text in cell["frames"])
    assert size <= 1.1 * budget or (len(found["cells"]), len(steps)) == (2, 8)
    assert steps[0] == 50 and steps[-1] == 1000 and steps == sorted(set(steps))
    assert {cell["loss"] for cell in found["cells"]} == {0, 1}  # never a loss less
    if budget == 300_000:
        assert len(found["cells"]) == 8


def test_many_dimensions_are_projected_onto_the_modes_plane():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(40, 2)))[0]
    plane = plane_of({"means": ring() @ axes.T + 3.0, "sigma": np.array(0.1)})
    assert plane is not None and plane.means is not None
    assert np.linalg.norm(plane.means, axis=1) == pytest.approx(np.ones(8))  # distances are kept
    off = np.linalg.svd(axes.T)[2][-1]  # a direction that the plane does not have
    moved = plane.project((ring() @ axes.T + 3.0) + 5 * off)
    assert np.abs(moved - plane.means).max() < 1e-9


@pytest.mark.parametrize(
    "truth", [{}, {"x": np.ones((5, 2))}, {"x": np.arange(6).reshape(3, 2)}, {"x": np.ones((4, 1))}]
)
def test_what_has_no_plane_has_no_picture(truth):
    (group,) = group_rows([row()])
    assert gallery(group, samples_of([row()], truth, [np.zeros((4, 2), np.float32)])) is None


def test_samples_that_are_gone_leave_no_gallery():
    (group,) = group_rows([row()])
    assert gallery(group, samples_of([], MODES, [])) is None


def test_a_mosaic_holds_every_image_in_its_place():
    x = np.zeros((5, 3, 2, 2))
    for place in range(5):
        x[place, place % 3] = (place + 1) / 5
    picture = np.asarray(Image.open(io.BytesIO(mosaic(x, 0.0, 1.0))))
    assert picture.shape == (2 * 2 + 1, 3 * 2 + 2, 3)  # two lines of three, a pixel between
    for place in range(5):
        top, left = place // 3 * 3, place % 3 * 3
        tile = picture[top : top + 2, left : left + 2]
        assert (tile[..., place % 3] == round(255 * (place + 1) / 5)).all()
        assert tile.sum() == tile[..., place % 3].sum()
    grey = Image.open(io.BytesIO(mosaic(np.full((1, 4, 4), 7.0), -1.0, 1.0)))
    assert grey.mode == "L" and np.asarray(grey).min() == 255  # beyond white is white
