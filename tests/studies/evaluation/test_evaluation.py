"""`genbench.studies.evaluate`: its scores are those of genbench.metrics, its row says how."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from digit_files import digits, save_array, save_folder

from genbench import metrics
from genbench.data import mixture
from genbench.errors import InputError
from genbench.metrics.extractors import digits as digits_extractor
from genbench.metrics.extractors import open_extractor
from genbench.report.stages import Stages
from genbench.studies import evaluate
from genbench.studies.evaluation.judges import JUDGES


class Notes(Stages):
    """Keeps what is told."""

    def __init__(self):
        self.notes, self.stages, self.closed = [], [], False

    def advance(self, stage, done, of):
        self.stages.append((stage, done, of))

    def note(self, text):
        self.notes.append(text)

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pair(tmp_path):
    """A folder of 300 pictures and an array of 280 others."""
    real = save_folder(tmp_path / "real", digits(0, 300))
    return {"real": real, "fake": save_array(tmp_path / "fake.npy", digits(300, 580))}


@pytest.fixture
def gaussians(tmp_path):
    """Features: 200 rows, and 150 of another spread."""
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((200, 3)), 0.5 * rng.standard_normal((150, 3)) + 0.1
    return {
        "real": save_array(tmp_path / "real.npy", real),
        "fake": save_array(tmp_path / "fake.npy", fake),
    }


def loaded(pair) -> dict[str, Any]:
    """real and fake, for the functions of genbench.metrics."""
    return {role: torch.from_numpy(np.load(path)) for role, path in pair.items()}


def test_features_give_what_the_functions_give(gaussians):
    row = evaluate(**gaussians, metrics=["prdc", "fid"], k=4)
    expected = metrics.precision_recall(**loaded(gaussians), k=4)
    assert {key: row[key] for key in expected._fields} == expected._asdict()
    assert row["frechet_distance"] == metrics.frechet_distance(**loaded(gaussians))
    p, r = expected.precision, expected.recall
    assert row["f_score"] == pytest.approx(2 / (1 / p + 1 / r), rel=1e-15)  # rounding
    assert list(row["metrics"]) == ["precision_recall", "frechet_distance"]
    assert row["extractor"] is None


def test_different_bins_and_what_a_perfect_sampler_has(gaussians):
    row = evaluate(**gaussians, metrics=["ndb"])
    expected = metrics.different_bins(**loaded(gaussians))
    assert row["different_bins"] == expected.different > 2 * expected.expected_different
    assert row["jensen_shannon"] == expected.jensen_shannon
    assert row["different_bins_share"] == expected.share
    assert row["perfect"] == {
        "different_bins": expected.expected_different,
        "different_bins_share": expected.expected_different / 100,
        "jensen_shannon": expected.expected_jensen_shannon,
    }


def test_the_distance_at_infinity(gaussians):
    row = evaluate(**gaussians, metrics=["fid_infinity", "fid"])
    assert row["frechet_distance_infinity"] == metrics.frechet_distance_infinity(
        **loaded(gaussians)
    )
    assert row["frechet_distance_infinity"] < row["frechet_distance"]  # its bias is upward


def test_a_perfect_samplers_coverage_is_what_its_formula_says(tmp_path):
    rng, found = np.random.default_rng(0), []
    for _ in range(60):
        real = save_array(tmp_path / "real.npy", rng.standard_normal((60, 2)))
        fake = save_array(tmp_path / "fake.npy", rng.standard_normal((40, 2)))
        row = evaluate(real=real, fake=fake, metrics=["prdc"])
        found.append(row["coverage"])
    # four standard errors of the mean
    error = np.std(found, ddof=1) / len(found) ** 0.5
    assert row["perfect"]["coverage"] == pytest.approx(np.mean(found), abs=4 * error)
    assert error < 0.01


def test_an_extractor_of_ones_own(pair):
    folder = Path(digits_extractor.__file__).parent / "weights" / "digits"
    row = evaluate(**pair, features=folder, metrics=["prdc"])
    same = evaluate(**pair, features="digits", weights=folder, metrics=["prdc"])
    assert {k: row[k] for k in row["metrics"]["precision_recall"]} == {
        k: same[k] for k in row["metrics"]["precision_recall"]
    }


def test_images_give_what_the_functions_give_of_the_extractors_features(pair):
    extractor = open_extractor("digits")
    real, fake = (
        extractor(torch.from_numpy(digits(*span)[:, None])).features
        for span in ((0, 300), (300, 580))
    )
    row = evaluate(**pair, metrics=["frechet_distance", "precision_recall"], features="digits")
    assert row["frechet_distance"] == metrics.frechet_distance(real=real, fake=fake)
    assert row["recall"] == metrics.precision_recall(real=real, fake=fake).recall
    assert row["extractor"]["name"] == "digits"
    assert row["extractor"]["digest"] == extractor.digest


def test_a_row_says_how_it_came_about_and_is_json(pair):
    row = json.loads(json.dumps(evaluate(**pair, features="raw"), allow_nan=False))
    assert row["real"]["path"] == str(pair["real"]) and row["real"]["kind"] == "images"
    assert (row["real"]["count"], row["fake"]["count"]) == (300, 280)
    assert row["real"]["shape"] == row["fake"]["shape"] == [1, 8, 8]
    assert len(row["real"]["sha256"]) == 64 and row["real"]["sha256"] != row["fake"]["sha256"]
    assert row["device"] == "cpu" and row["threads"] == torch.get_num_threads()
    assert {"genbench", "torch", "numpy", "python"} == row["versions"].keys()
    assert row["conventions"].keys() == row["metrics"].keys()
    assert all(key in row for keys in row["metrics"].values() for key in keys)
    assert row["seconds"] > 0 and row["intervals"] == {} and row["level"] is None


def test_a_second_evaluation_gives_the_same_row(pair):
    first, second = (evaluate(**pair, features="digits") for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_real_chunks_stay_and_fake_ones_go(pair, cache):
    evaluate(**pair, features="digits", metrics=["prdc"])
    # 256 + 44 real pictures
    assert len(list((cache / "kept").iterdir())) == 2 and not list((cache / "passing").iterdir())


def test_the_same_pictures_read_by_two_rules_are_at_distance_zero(tmp_path):
    pictures = digits(0, 260)
    real = save_folder(tmp_path / "real", pictures)
    fake = save_array(tmp_path / "fake.npy", pictures.astype(np.float32) / 127.5 - 1)
    row = evaluate(real=real, fake=fake, features="digits", metrics=["fid", "prdc"])
    assert row["frechet_distance"] == 0.0
    assert [row[key] for key in ("precision", "recall", "coverage")] == [1.0, 1.0, 1.0]


def test_swapped_sets_swap_precision_and_recall(gaussians):
    row = evaluate(**gaussians, metrics=["prdc"])
    back = evaluate(real=gaussians["fake"], fake=gaussians["real"], metrics=["prdc"])
    assert (row["precision"], row["recall"]) == (back["recall"], back["precision"])
    assert row["precision"] > row["recall"] + 0.2  # the fakes lie in the middle of the reals
    assert row["density"] != back["density"]


def test_the_frechet_distance_of_known_real_pictures_needs_no_features(pair, monkeypatch):
    first = evaluate(**pair, features="digits", metrics=["fid"])
    told = Notes()
    second = evaluate(**pair, features="digits", metrics=["fid"], progress=told)
    assert first["frechet_distance"] == second["frechet_distance"]
    assert {stage for stage, *_ in told.stages} == {"metrics", "fake: images through digits"}
    changed = digits(0, 300)
    changed[7, 4, 4] ^= 255
    (pair["real"] / "0007.png").unlink()
    save_folder(pair["real"] / "deeper", changed[7:8])
    third = evaluate(**pair, features="digits", metrics=["fid"])
    assert third["frechet_distance"] != first["frechet_distance"]
    assert third["real"]["sha256"] != first["real"]["sha256"]


def test_intervals_hold_the_values(gaussians):
    row = evaluate(**gaussians, metrics=["fid", "prdc"], level=0.9)
    plain = evaluate(**gaussians, metrics=["fid", "prdc"])
    keys = [key for keys in row["metrics"].values() for key in keys]
    assert row["intervals"].keys() == set(keys) and row["level"] == 0.9
    for key in keys:
        low, high = row["intervals"][key]
        assert low <= row[key] <= high and low < high
        assert row[key] == pytest.approx(plain[key], rel=1e-9)  # another summation order
    wider = evaluate(**gaussians, metrics=["prdc"], level=0.99)["intervals"]["recall"]
    assert wider[0] < row["intervals"]["recall"][0] and wider[1] > row["intervals"]["recall"][1]


def test_modes_of_a_known_mixture(tmp_path):
    ring = mixture("ring8")
    x = ring.sample(1_000, torch.Generator().manual_seed(0)).numpy()
    real, fake = (save_array(tmp_path / f"{n}.npy", part) for n, part in (("a", x), ("b", x[:500])))
    np.savez(tmp_path / "own.npz", means=ring.means.numpy(), sigma=ring.sigma)
    row = evaluate(real=real, fake=fake, metrics=["modes"], modes="ring8")
    own = evaluate(real=real, fake=fake, metrics=["modes"], modes=tmp_path / "own.npz")
    expected = metrics.mode_coverage(x[:500], ring)._asdict()
    assert {key: row[key] for key in expected} == {key: own[key] for key in expected} == expected
    assert row["perfect"] == metrics.perfect_sampler(ring, 500)._asdict()


def test_spread_within_known_modes(tmp_path):
    ring = mixture("ring8")
    x = ring.sample(1_000, torch.Generator().manual_seed(0)).numpy()
    real = save_array(tmp_path / "a.npy", x)
    row = evaluate(real=real, fake=real, metrics=["modes", "spread"], modes="ring8", level=0.95)
    expected = metrics.mode_spread(x, ring)
    assert (row["spread"], row["spread_least"], row["spread_most"]) == expected
    low, high = row["intervals"]["spread"]
    assert low < row["spread"] < high and row["perfect"]["spread"] == 1
    assert row["modes"] == 8


def test_what_is_no_number_is_null(tmp_path):
    far = save_array(tmp_path / "far.npy", np.full((50, 2), 99.0))
    row = evaluate(real=far, fake=far, metrics=["modes"], modes="ring8")
    assert row["modes"] == 0 and row["kl"] is None
    json.dumps(row, allow_nan=False)


def test_rows_that_are_not_finite_are_named_or_left_out(gaussians):
    fake = np.load(gaussians["fake"])
    fake[3], fake[70] = np.nan, np.inf
    spoilt = save_array(gaussians["fake"], fake)
    with pytest.raises(InputError) as error:
        evaluate(**gaussians)
    assert str(error.value) == (
        f"fake: '{spoilt}' must be finite, got NaN or infinity in 2 of 150 rows, first in row 3 "
        "(--drop-non-finite leaves such rows out)"
    )
    told = Notes()
    row = evaluate(**gaussians, drop_non_finite=True, metrics=["prdc"], progress=told)
    kept = {**loaded(gaussians), "fake": torch.from_numpy(np.delete(fake, [3, 70], axis=0))}
    assert (
        row["precision"] == metrics.precision_recall(real=kept["real"], fake=kept["fake"]).precision
    )
    assert row["fake"]["dropped"] == 2 and row["real"]["dropped"] == 0 and told.closed
    assert told.notes == ["fake: left out NaN or infinity in 2 of 150 rows, first in row 3"]


def test_dropped_rows_of_the_real_set_are_counted_from_the_cache_too(gaussians):
    real = np.load(gaussians["real"])
    real[5] = np.nan
    save_array(gaussians["real"], real)
    counts = [
        evaluate(**gaussians, drop_non_finite=True, metrics=["fid"])["real"]["dropped"]
        for _ in range(2)
    ]
    assert counts == [1, 1]
    with pytest.raises(InputError, match="first in row 5"):
        evaluate(**gaussians, metrics=["fid"])


def test_a_cache_that_cannot_be_used_is_a_note(pair, tmp_path):
    (tmp_path / "file").write_text("precious")
    told = Notes()
    row = evaluate(**pair, features="raw", cache=tmp_path / "file", progress=told)
    assert row["precision"] == evaluate(**pair, features="raw")["precision"]
    assert len(told.notes) == 1 and "going on without it" in told.notes[0]


def test_progress_of_both_sets(pair):
    told = Notes()
    evaluate(**pair, features="digits", metrics=["prdc"], progress=told)
    assert ("real: images through digits", 300, 300) in told.stages
    assert ("fake: images through digits", 280, 280) in told.stages and told.closed


def test_every_metric_of_the_catalog_is_judged():
    assert set(JUDGES) == set(metrics.CATALOG)
    assert set(metrics.ALIASES.values()) <= set(JUDGES)
    assert not set(metrics.ALIASES) & set(JUDGES)
