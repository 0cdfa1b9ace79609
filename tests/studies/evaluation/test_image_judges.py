"""Judges of images against the functions of genbench.metrics that they call."""

import numpy as np
import pytest
from digit_files import digits, save_array, save_folder

from genbench import metrics
from genbench.errors import InputError
from genbench.report.scores import BETTER
from genbench.studies import evaluate


@pytest.fixture
def pairs(tmp_path):
    """40 pictures of 24 x 24, and the same with noise."""
    real = digits(0, 40).repeat(3, 1).repeat(3, 2)
    noise = np.random.default_rng(0).integers(-20, 21, real.shape)
    fake = (real.astype(int) + noise).clip(0, 255).astype(np.uint8)
    paths = {
        "real": save_folder(tmp_path / "real", real),
        "fake": save_array(tmp_path / "fake.npy", fake),
    }
    return paths, {"real": real[:, None], "fake": fake[:, None]}


@pytest.mark.parametrize("name", ["psnr", "ssim", "ms_ssim"])
def test_pairs_of_images(pairs, name, monkeypatch):
    paths, images = pairs
    monkeypatch.setattr("genbench.studies.evaluation.extraction.CHUNK", 16)
    row = evaluate(**paths, metrics=[name], level=0.95)
    assert row[name] == getattr(metrics, name)(**images)
    low, high = row["intervals"][name]
    assert low < row[name] < high and row["extractor"] is None


def test_equal_pairs_make_an_infinite_psnr(pairs):
    row = evaluate(real=pairs[0]["real"], fake=pairs[0]["real"], metrics=["psnr", "ssim"])
    assert row["psnr"] is None and "40 pairs of equal images" in row["conventions"]["psnr"]
    assert row["ssim"] == 1.0


def test_diversity(pairs):
    paths, images = pairs
    row = evaluate(**paths, metrics=["ms_ssim_diversity"])
    expected = metrics.ms_ssim_diversity(**images)
    assert row["ms_ssim_diversity"] == expected.fake
    assert row["ms_ssim_diversity_real"] == row["perfect"]["ms_ssim_diversity"] == expected.real


def test_a_collapsed_sampler_has_no_diversity(pairs, tmp_path):
    paths, images = pairs
    same = save_array(tmp_path / "same.npy", images["real"][:1, 0].repeat(30, 0))
    row = evaluate(real=paths["real"], fake=same, metrics=["ms_ssim_diversity"], level=0.95)
    assert row["ms_ssim_diversity"] == pytest.approx(1, abs=1e-12)  # rounding
    low, high = row["intervals"]["ms_ssim_diversity_real"]
    assert low < row["ms_ssim_diversity_real"] < high < 0.9


@pytest.mark.parametrize("name", ["psnr", "ssim", "ms_ssim", "ms_ssim_diversity"])
def test_what_is_no_pair_of_images_is_one_line(pairs, tmp_path, name):
    paths, images = pairs
    few = save_array(tmp_path / "few.npy", images["fake"][:30, 0])
    wide = save_array(tmp_path / "wide.npy", images["fake"][:, 0].repeat(2, 2))
    points = save_array(tmp_path / "points.npy", np.zeros((40, 3)))
    wrong = {
        "wide": {"real": paths["real"], "fake": wide},
        "points": {"real": points, "fake": points},
    }
    if name != "ms_ssim_diversity":
        wrong["few"] = {"real": paths["real"], "fake": few}
    for sets in wrong.values():
        with pytest.raises(InputError, match=f"metrics: {name} needs "):
            evaluate(**sets, metrics=[name])


def test_every_score_of_images_has_a_direction(pairs):
    row = evaluate(**pairs[0], metrics=["psnr", "ssim", "ms_ssim", "ms_ssim_diversity"])
    keys = {key for keys in row["metrics"].values() for key in keys}
    assert keys - BETTER.keys() == {"ms_ssim_diversity_real"}
