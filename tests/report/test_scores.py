"""An evaluation's row as a table: every score with its interval, direction and floor."""

import pytest

from genbench.report.scores import BETTER, contents, plain_key, scores_text

SIDE = {
    "path": "a",
    "kind": "images",
    "count": 1_000,
    "shape": [3, 32, 32],
    "sha256": "0123456789abcdef" * 4,
    "conventions": {"values": "8 bit as stored"},
    "dropped": 0,
}
ROW = {
    "frechet_inception_distance": 12.3456789,
    "precision": 0.25,
    "kl": None,
    "metrics": {"fid": ["frechet_inception_distance"], "some": ["precision", "kl"]},
    "conventions": {"fid": "covariance over N - 1", "some": "k = 3"},
    "perfect": {"kl": 0.0014},
    "intervals": {"frechet_inception_distance": [11.5, 13.25], "kl": [None, None]},
    "level": 0.95,
    "real": SIDE,
    "fake": {**SIDE, "path": "b", "dropped": 2},
    "extractor": {"name": "inception", "conventions": {"resize": "299x299"}},
}


def test_a_table_with_intervals():
    assert scores_text(ROW).splitlines() == [
        "score                       value    95% interval   better  perfect sampler",
        "---------------------------------------------------------------------------",
        "frechet_inception_distance  12.3457  11.5 to 13.25  lower",
        "precision                   0.25                    higher",
        "kl                          none                    lower   0.0014",
        "---------------------------------------------------------------------------",
        "perfect sampler: what real samples would score, on average, at these sizes",
        "real: a: 1000 images of 3x32x32, sha256 0123456789ab; 8 bit as stored",
        "fake: b: 1000 images of 3x32x32, 2 left out, sha256 0123456789ab; 8 bit as stored",
        "features: inception; resize: 299x299",
        "fid: covariance over N - 1",
        "some: k = 3",
    ]


def test_a_table_without_intervals_or_extractor():
    text = scores_text({**ROW, "level": None, "intervals": {}, "extractor": None})
    assert "interval" not in text and "features:" not in text
    assert "precision                   0.25     higher" in text


def test_what_stands_below_fits_a_narrow_terminal():
    extractor = {"name": "digits", "conventions": {"weights_sha256": "ab" * 32, "layer": "x " * 60}}
    wide, narrow = (scores_text({**ROW, "extractor": extractor}, width=n) for n in (10_000, 60))
    assert wide.split() == narrow.split()  # nothing is lost
    foot = narrow.splitlines()[6:]
    assert max(map(len, foot)) <= 60 and any(line.startswith("  ") for line in foot)
    assert "weights_sha256: abababababab;" in wide


@pytest.mark.parametrize(
    ("kind", "count", "shape", "words"),
    [
        ("images", 9, [3, 8, 8], "9 images of 3x8x8"),
        ("features", 9, [64], "9 rows of 64 features"),
        ("moments", 0, [64], "moments of 64 features"),
    ],
)
def test_what_a_set_holds(kind, count, shape, words):
    assert contents(kind, count, shape) == words


@pytest.mark.parametrize(
    ("key", "plain"),
    [
        ("frechet_inception_distance", "frechet_distance"),
        ("kernel_inception_distance_mean", "kernel_distance_mean"),
        ("inception_score_mean", "class_score_mean"),
        ("precision", "precision"),
    ],
)
def test_fidelitys_names_have_a_direction_too(key, plain):
    assert plain_key(key) == plain and plain in BETTER
