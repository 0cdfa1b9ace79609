"""pytest-benchmark's statistics are those of the recorded seconds."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = [3e-6, 1e-6, 2.5e-6, 7e-3, 0.1 + 0.2]
BENCHMARK = f"""
import pytest
from benchmarks.replay import ReplayClock, replay
CLOCK = ReplayClock()

@pytest.mark.benchmark(timer=CLOCK)
def test_row(benchmark):
    replay(benchmark, CLOCK, {SECONDS})

def test_with_another_timer(benchmark):
    with pytest.raises(RuntimeError, match="10 readings were not taken"):
        replay(benchmark, CLOCK, {SECONDS})
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    (folder / "test_rows.py").write_text(BENCHMARK)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_rows.py"]
    command += ["--benchmark-json=out.json", "--benchmark-save-data"]
    ran = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout
    return json.loads((folder / "out.json").read_text())["benchmarks"]


def test_the_statistics_are_those_of_the_recorded_seconds(rows):
    stats = rows[0]["stats"]
    assert stats["data"] == SECONDS  # bit for bit
    assert (stats["min"], stats["max"]) == (min(SECONDS), max(SECONDS))
    assert (stats["rounds"], stats["iterations"]) == (len(SECONDS), 1)
    assert stats["median"] == statistics.median(SECONDS)
    assert stats["mean"] == pytest.approx(statistics.fmean(SECONDS), rel=1e-12)  # order of the sum


def test_the_timer_has_a_name_that_does_not_change(rows):
    assert rows[0]["options"]["timer"] == "replayed"
