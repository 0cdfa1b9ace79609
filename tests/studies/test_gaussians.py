"""Real moments from the cache: the bits of the ones that were fitted."""

import numpy as np
import pytest
from digit_files import save_array

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
