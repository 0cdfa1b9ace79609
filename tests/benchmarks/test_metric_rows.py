"""Benchmarks of metrics: what is checked, what a row holds, its table; and peak memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.check import Disagreement
from benchmarks.compare import read_rows
from benchmarks.metrics.comparison import Comparison, Size, extra_info, measure, refuse_wrong
from benchmarks.metrics.test_precision_recall import COMPARISONS, features, in_float64
from benchmarks.peak import CLEAR, peak
from benchmarks.report import main
from genbench.metrics import precision_recall

ROOT = Path(__file__).parents[2]
SMALL = Size(90, 5)


def comparison(**variants):
    return Comparison(
        name="mean",
        features=features,
        variants={name: lambda f=function: f for name, function in variants.items()},
        truth=lambda real, fake: (real.mean().item(),),
        tolerance=1e-3,
        sizes=(SMALL,),
        full_sizes=(SMALL,),
    )


def test_a_variant_that_disagrees_is_not_timed():
    right = lambda real, fake: (real.mean().item(),)  # noqa: E731
    wrong = lambda real, fake: (fake.mean().item() + 1,)  # noqa: E731
    group = measure(comparison(), SMALL, {"right": right, "wrong": wrong})
    assert set(group.timed) == {"right"} and set(group.wrong) == {"wrong"}
    assert 1 <= len(group.timed["right"].seconds) <= 5
    info = extra_info(comparison(), SMALL, "right", group.timed["right"])
    assert (info["rows"], info["width"], info["variant"]) == (90, 5, "right")
    assert info["p10_us"] <= info["median_us"] <= info["p90_us"]


def test_every_score_counts_and_nan_is_wrong():
    refuse_wrong("two of four", (0.5, 0.2), (0.5, 0.2, 1.0, 0.9), 1e-9)
    for found in ((0.5, 0.3), (0.5, float("nan"))):
        with pytest.raises(Disagreement, match="two of four gives"):
            refuse_wrong("two of four", found, (0.5, 0.2, 1.0, 0.9), 1e-9)


@pytest.mark.parametrize("name", COMPARISONS[0].variants)
def test_variants_of_precision_recall(name):
    try:
        function = COMPARISONS[0].variants[name]()
    except (ImportError, ValueError) as error:
        pytest.skip(str(error))
    real, fake = features(Size(150, 20))
    found = function(real, fake)
    assert found == pytest.approx(in_float64(real, fake)[: len(found)], abs=1e-6)
    assert 0.3 < found[1] < found[0] < 1  # neither 0 nor 1, and not swapped
    assert in_float64(real, fake) == pytest.approx(precision_recall(real=real, fake=fake))


@pytest.mark.skipif(not CLEAR.exists(), reason="the peak is the Linux kernel's")
def test_peak_memory_is_that_of_the_call():
    block = 64 * 2**20
    assert peak(lambda: np.ones(block, np.uint8).sum()).extra_bytes == pytest.approx(
        block, rel=0.05
    )
    assert (peak(lambda: None).extra_bytes or 0) < block / 20


def test_a_run_leaves_rows_and_a_table(tmp_path):
    """The front, as a command runs it; this file's fixture of one small size."""
    path = tmp_path / "rows.json"
    command = [sys.executable, "-m", "pytest", "benchmarks/metrics/test_precision_recall.py"]
    command += ["-p", "no:cacheprovider", "--benchmark-only", f"--benchmark-json={path}"]
    command += ["-k", "500x64 and (genbench or plain)"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    rows = read_rows(path)
    assert {variant for _, variant in rows} == {"genbench", "plain loop"}
    for row in rows.values():
        assert (row["metric"], row["threads"], row["width"]) == ("precision_recall", 1, 64)
    assert main([str(path), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "rows.md").read_text()
    assert "| precision_recall, N = M = 500, d = 64 | genbench |" in text
    assert not (tmp_path / "out" / "rows.png").exists()
    assert json.loads(path.read_text())["benchmarks"][0]["stats"]["rounds"] >= 1
