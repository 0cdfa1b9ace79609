"""Every judge of `genbench evaluate` against the function of genbench.metrics that it calls."""

import math
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from digit_files import digits, save_array, save_folder

from genbench import metrics
from genbench.errors import InputError
from genbench.metrics.extractors import digits as digits_extractor
from genbench.metrics.extractors import open_extractor
from genbench.report.scores import BETTER, plain_key
from genbench.studies import evaluate
from genbench.studies.evaluation import feature_judges
from genbench.studies.evaluation.judges import JUDGES


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def gaussians() -> dict[str, Any]:
    """Features: 400 rows, and 300 of another mean and spread."""
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((400, 3)), 0.8 * rng.standard_normal((300, 3)) + 0.2
    return {"real": torch.from_numpy(real), "fake": torch.from_numpy(fake)}


@pytest.fixture
def files(tmp_path, gaussians):
    return {role: save_array(tmp_path / f"{role}.npy", x.numpy()) for role, x in gaussians.items()}


def test_kernel_distance(files, gaussians):
    row, spread = (evaluate(**files, metrics=["kid"], level=level) for level in (None, 0.95))
    expected = metrics.kernel_distance(**gaussians)
    assert row["kernel_distance_mean"] == expected.mean
    assert row["kernel_distance_standard_error"] == expected.standard_error
    estimate = metrics.kernel_distance_estimate(**gaussians)
    assert spread["intervals"] == {"kernel_distance_mean": [estimate.low, estimate.high]}
    assert row["perfect"] == {"kernel_distance_mean": 0.0}


def test_knn_divergence(files, gaussians):
    row = evaluate(**files, metrics=["knn_divergence"], k=4)
    expected = metrics.knn_divergence(**gaussians, k=4)
    assert row["knn_divergence"] == expected.divergence
    assert row["perfect"] == {"knn_divergence": expected.floor}
    spread = evaluate(**files, metrics=["knn_divergence"], level=0.9)
    estimate = metrics.knn_divergence_estimate(**gaussians, level=0.9).divergence
    assert spread["intervals"]["knn_divergence"] == [estimate.low, estimate.high]


def test_memorization(files, gaussians, tmp_path):
    copied = gaussians["fake"].numpy().copy()
    copied[:7] = gaussians["real"][:7]
    sets = {**files, "fake": save_array(tmp_path / "copied.npy", copied)}
    row = evaluate(**sets, metrics=["memorization"])
    expected = metrics.memorization(real=gaussians["real"], fake=copied)
    assert row["exact_copies"] == expected.exact_copies == 7
    assert row["authentic"] == expected.authentic
    assert row["perfect"]["authentic"] == expected.authentic_perfect
    assert row["perfect"]["near_copies"] == expected.near_copies_perfect
    assert row["closest_pairs"][:7] == [{"fake": i, "real": i, "distance": 0.0} for i in range(7)]
    spread = evaluate(**sets, metrics=["memorization"], level=0.95)
    low, high = spread["intervals"]["authentic"]
    assert low < row["authentic"] < high and spread["perfect"] == row["perfect"]


def test_class_scores_of_images(tmp_path):
    fake = save_array(tmp_path / "fake.npy", digits(0, 200))
    row = evaluate(real=fake, fake=fake, features="digits", metrics=["isc"], level=0.95)
    probabilities = open_extractor("digits")(torch.from_numpy(digits(0, 200)[:, None]))[1]
    expected = metrics.inception_score(probabilities)
    assert (row["class_score_mean"], row["class_score_std"]) == expected
    estimate = metrics.inception_score_estimate(probabilities)
    assert row["intervals"]["class_score_mean"] == [estimate.low, estimate.high]
    assert row["class_score_mean"] > 5  # of 10: splits of 20 pictures miss some classes
    assert not any("real" in stage for stage in row["metrics"])


def test_class_scores_of_probabilities_beside_features(tmp_path):
    given = np.random.default_rng(0).dirichlet(np.ones(5), 100)
    np.savez(tmp_path / "fake.npz", features=np.zeros((100, 2)), probabilities=given)
    sets: dict[str, Any] = dict.fromkeys(("real", "fake"), tmp_path / "fake.npz")
    row = evaluate(**sets, metrics=["isc"])
    assert row["class_score_mean"] == metrics.inception_score(given).mean


def test_an_extractor_that_does_not_classify_is_refused_before_work(tmp_path):
    fake = save_array(tmp_path / "fake.npy", digits(0, 50))
    with pytest.raises(InputError, match="needs class probabilities, and 'raw' gives none"):
        evaluate(real=fake, fake=fake, features="raw", metrics=["isc"])
    assert not (tmp_path / "cache").exists()


class Inception:
    """Stands for the extractor whose weights are not here: its name alone decides the keys."""

    name, digest = "inception", "0"
    conventions: dict[str, str] = {}  # noqa: RUF012

    def __init__(self):
        self.inner = open_extractor("digits")

    def __call__(self, images):
        return self.inner(images)


@pytest.fixture
def inception(monkeypatch):
    asked = []

    def opened(name, **_):
        asked.append(name)
        return Inception()

    monkeypatch.setattr("genbench.studies.evaluation.run.open_extractor", opened)
    return asked


def test_inception_features_have_fidelitys_keys(tmp_path, inception):
    real = save_folder(tmp_path / "real", digits(0, 300))
    fake = save_array(tmp_path / "fake.npy", digits(300, 500))
    names = ["fid", "fid_infinity", "kid", "isc", "prc"]
    row = evaluate(real=real, fake=fake, metrics=names[:1] + names[2:], level=0.95)
    assert inception == ["inception"]
    keys = [key for keys in row["metrics"].values() for key in keys]
    assert keys == [
        "frechet_inception_distance",
        "kernel_inception_distance_mean",
        "kernel_inception_distance_std",
        "inception_score_mean",
        "inception_score_std",
        *("precision", "recall", "density", "coverage", "f_score"),
    ]
    low, high = row["intervals"]["kernel_inception_distance_mean"]
    assert low < row["kernel_inception_distance_mean"] < high
    assert "subsets of 100 rows" in row["conventions"]["kernel_distance"]  # half of 200


def test_a_file_called_inception_has_no_claim_to_these_keys(tmp_path, monkeypatch):
    own = Path(digits_extractor.__file__).parent / "weights" / "digits"
    shutil.copytree(own, tmp_path / "inception")
    fake = save_array(tmp_path / "fake.npy", digits(0, 150))
    row = evaluate(real=fake, fake=fake, features=tmp_path / "inception", metrics=["fid"])
    assert row["extractor"]["name"] == "inception" and "frechet_distance" in row


def test_the_kernel_inception_distance_is_fidelitys(tmp_path, inception, monkeypatch):
    vision = pytest.importorskip("genbench.metrics.extractors.vision")
    vision.import_fidelity()
    from torch_fidelity.metric_kid import kid_features_to_metric

    monkeypatch.setattr(feature_judges, "SUBSET_SIZE", 50)
    sets = {"real": digits(0, 120), "fake": digits(120, 220)}
    paths: dict[str, Any] = {
        role: save_array(tmp_path / f"{role}.npy", x) for role, x in sets.items()
    }
    row = evaluate(**paths, metrics=["kid"])
    fake, real = (Inception()(torch.from_numpy(sets[n][:, None]))[0] for n in ("fake", "real"))
    theirs = kid_features_to_metric(fake, real, kid_subset_size=50, verbose=False)
    for key, value in theirs.items():
        assert row[key] == pytest.approx(value, rel=1e-4)  # theirs is float32


@pytest.mark.parametrize(
    ("values", "shift"),
    [
        (lambda x: x, 0),  # 8 bit: densities of [0, 256)
        (lambda x: x / np.float32(255), 8),  # [0, 1): 256 times as dense
        (lambda x: x / np.float32(127.5) - 1, 7),
    ],
)
def test_bits_per_dimension(tmp_path, values, shift):
    # a uniform law over the levels: 8 bits whatever the units
    x = digits(0, 50)
    log_prob = np.full(50, 64 * (shift - 8) * math.log(2))
    np.savez(tmp_path / "real.npz", images=values(x), log_prob=log_prob)
    sets: dict[str, Any] = dict.fromkeys(("real", "fake"), tmp_path / "real.npz")
    row = evaluate(**sets, metrics=["bpd", "nats"], level=0.95)
    assert row["bits_per_dim"] == pytest.approx(8, rel=1e-12)  # rounding
    assert row["nats"] == pytest.approx(64 * (8 - shift) * math.log(2), rel=1e-12)
    assert row["intervals"].keys() == {"bits_per_dim", "nats"}
    assert row["extractor"] is None  # nothing was asked of images


def test_errors_name_the_densities_as_the_file_does(tmp_path):
    log_prob = np.zeros(50)
    log_prob[7] = np.nan
    np.savez(tmp_path / "real.npz", features=np.ones((50, 2)), log_prob=log_prob)
    sets: dict[str, Any] = dict.fromkeys(("real", "fake"), tmp_path / "real.npz")
    for name in ("bpd", "nats"):
        with pytest.raises(InputError) as caught:
            evaluate(**sets, metrics=[name])
        where = f"real: log_prob in '{tmp_path / 'real.npz'}'"
        assert str(caught.value) == f"{where} must not be NaN or +inf, got nan in row 7"


@pytest.mark.parametrize("same", [True, False])
def test_a_copy_is_told_from_a_perfect_model(tmp_path, same):
    x = np.random.default_rng(0).normal(size=(60, 2))
    np.save(tmp_path / "real.npy", x)
    np.save(tmp_path / "fake.npy", x if same else np.nextafter(x, 9))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        row = evaluate(real=tmp_path / "real.npy", fake=tmp_path / "fake.npy", metrics=["prdc"])
    told = [str(warning.message) for warning in caught if warning.category is UserWarning]
    line = f"real and fake are the same samples (sha256 {row['real']['sha256'][:12]}): the scores"
    assert [text.startswith(line) for text in told] == ([True] if same else [])
    assert row["warnings"] == told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bpd", "bits_per_dim needs an array log_prob beside real"),
        ("isc", "inception_score needs images, or an array probabilities"),
        ("modes", "mode_coverage needs features and --modes"),
    ],
)
def test_what_the_sets_cannot_give_is_one_line(files, name, words):
    with pytest.raises(InputError, match=words) as error:
        evaluate(**files, metrics=["fid", name])
    assert "got real with 400 rows of 3 features and fake with 300 " in str(error.value)


def test_moments_give_the_frechet_distance_alone(tmp_path, gaussians):
    x = gaussians["real"].numpy()
    np.savez(tmp_path / "m.npz", mu=x.mean(axis=0), sigma=np.cov(x, rowvar=False))
    for name in ("kid", "prdc", "fid_infinity", "ndb"):
        with pytest.raises(
            InputError, match="needs features or images; got real with moments of 3 "
        ):
            evaluate(real=tmp_path / "m.npz", fake=tmp_path / "m.npz", metrics=[name])
    with pytest.raises(InputError, match="interval: real holds moments"):
        evaluate(real=tmp_path / "m.npz", fake=tmp_path / "m.npz", level=0.95)


def test_every_score_of_features_has_a_direction(files):
    names = ["fid", "fid_infinity", "kid", "prdc", "ndb", "knn_divergence", "memorization"]
    row = evaluate(**files, metrics=names)
    keys = {plain_key(key) for keys in row["metrics"].values() for key in keys}
    assert keys - BETTER.keys() == {"kernel_distance_standard_error"}


def test_every_judge_says_what_it_needs_and_is_documented():
    assert all(judge.needs and judge.judge.__doc__ for judge in JUDGES.values())
