"""Real moments from the cache: the bits of the ones that were fitted."""

import numpy as np
import pytest
import torch
from digit_files import digits, save_array

from genbench.errors import InputError
from genbench.metrics.extractors import open_extractor
from genbench.studies import evaluate


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))


def distance(folder, real, fake):
    row = evaluate(
        real=save_array(folder / "real.npy", real),
        fake=save_array(folder / "fake.npy", fake),
        metrics=["frechet_distance"],
    )
    return row["frechet_distance"]


@pytest.mark.parametrize("rows", [40, 300], ids=["fewer than columns", "more than columns"])
@pytest.mark.filterwarnings("ignore:frechet distance")  # few rows: meant so
def test_the_cache_changes_no_bit(tmp_path, rows):
    rng = np.random.default_rng(rows)
    real, fake = rng.standard_normal((rows, 64)), rng.standard_normal((rows + 1, 64))
    first = distance(tmp_path, real, fake)
    (kept,) = (tmp_path / "cache" / "kept").iterdir()
    before = kept.stat().st_mtime_ns
    assert distance(tmp_path, real, fake) == first
    assert kept.stat().st_mtime_ns > before  # it was read
    # a flat direction: no Cholesky factor, another root
    real[:, 0] = 1.0
    assert distance(tmp_path, real, fake) == distance(tmp_path, real, fake) != first


def moments(path, rows):
    np.savez(path, mu=rows.mean(axis=0), sigma=np.cov(rows, rowvar=False))
    return path


def test_moments_stand_for_their_features(tmp_path):
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((200, 5)) + 1, rng.standard_normal((150, 5))
    expected = distance(tmp_path, real, fake)
    both = {
        "real": moments(tmp_path / "real.npz", real),
        "fake": moments(tmp_path / "fake.npz", fake),
    }
    features = {"real": tmp_path / "real.npy", "fake": tmp_path / "fake.npy"}
    for sets in (both, {**both, "fake": features["fake"]}, {**features, "fake": both["fake"]}):
        row = evaluate(**sets)
        # rounding of NumPy's covariance and of ours
        assert row["frechet_distance"] == pytest.approx(expected, rel=1e-12)
        assert list(row["metrics"]) == ["frechet_distance"]
        assert "moments" in (row["real"]["kind"], row["fake"]["kind"])
    digests = {evaluate(**both)["real"]["sha256"], evaluate(**both)["fake"]["sha256"]}
    assert len(digests) == 2


@pytest.mark.parametrize("role", ["real", "fake"])
def test_one_row_has_no_covariance(tmp_path, role):
    rows = {"real": np.zeros((30, 3)), "fake": np.zeros((30, 3))}
    rows[role] = rows[role][:1]
    with pytest.raises(InputError, match=f"{role}: must have at least 2 rows, got 1"):
        distance(tmp_path, **rows)


def test_moments_beside_pictures(tmp_path):
    pictures = digits(0, 150)
    fake = save_array(tmp_path / "fake.npy", pictures)
    features = open_extractor("digits")(torch.from_numpy(pictures[:, None])).features
    real = moments(tmp_path / "real.npz", features.double().numpy())
    row = evaluate(real=real, fake=fake, features="digits")
    assert row["frechet_distance"] == pytest.approx(0, abs=1e-9)  # rounding, of traces of 100
    narrow = moments(tmp_path / "narrow.npz", np.random.default_rng(0).standard_normal((50, 5)))
    with pytest.raises(InputError, match="must have the same width, got 5 and 64"):
        evaluate(real=narrow, fake=fake, features="digits")


def test_features_whose_products_overflow_are_refused_in_one_line(tmp_path):
    big = save_array(
        tmp_path / "big.npy", np.full((20, 3), 1e200) * np.arange(1, 61).reshape(20, 3)
    )
    with pytest.raises(InputError, match=r"^real: values must lie within -\+1e\+70"):
        evaluate(real=big, fake=big, metrics=["fid"], cache=tmp_path / "cache")
