"""`make gpu-check` up to where a GPU is needed: its refusal, its stages, limits and files."""

import json
import subprocess
import sys
import time
from pathlib import Path

import gpu_check
import pytest
import torch
from gpu_check import Stage, run, run_all, stages

ROOT = Path(__file__).parents[1]


def python(code, limit=20.0, name="tests", **settings):
    return Stage(name, (sys.executable, "-c", code), limit, "tests.log", **settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_refuses_in_one_line(tmp_path):
    finished = subprocess.run(
        [
            "make",
            "--no-print-directory",
            "gpu-check",
            f"PYTHON={sys.executable}",
            f"RESULTS={tmp_path / 'gpu'}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 2
    line = finished.stderr.splitlines()[0]
    assert line == f"gpu-check: torch {torch.__version__} finds no CUDA device on this machine"
    assert finished.stdout == "" and not (tmp_path / "gpu").exists()


def test_the_stages_fit_into_eight_minutes_and_six_files(tmp_path):
    todo = stages("python3", tmp_path, lambda name: f"/bin/{name}")
    assert [stage.name for stage in todo] == [
        *("build", "tests"),
        *("memcheck", "racecheck", "synccheck", "initcheck"),
        "benchmarks",
    ]
    assert (
        sum(stage.limit for stage in todo) < 8 * 60 - 2 * gpu_check.GRACE
    )  # the last one may have to be ended
    written = {stage.log for stage in todo} | {"benchmarks.json", "summary.json", "summary.txt"}
    assert len(written) <= 6
    assert [stage.missing for stage in todo] == [""] * len(todo)


def test_a_missing_sanitizer_is_said(tmp_path):
    todo = [stage for stage in stages("python3", tmp_path, lambda name: None) if stage.missing]
    assert len(todo) == 4
    assert {run(stage, tmp_path).detail for stage in todo} == {"compute-sanitizer is not installed"}


def test_what_the_stages_select_is_there(tmp_path):
    """The tests marked cuda, and those the sanitizers run, exist under the names given."""
    todo = {stage.name: stage for stage in stages(sys.executable, tmp_path, lambda name: name)}
    for name, least in (("tests", 300), ("memcheck", 25)):
        command = [*todo[name].command, "--collect-only"]
        asked = command[command.index(sys.executable) :]
        listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
        assert listed.stdout.count("::") >= least, listed.stdout[-500:]


def test_output_ends_in_the_log_and_the_summary(tmp_path):
    stage = python("print('one'); print('two')", environment=(("GENBENCH_X", "1"),))
    assert run(stage, tmp_path).detail == "two"
    failed = run(python("import sys; sys.exit('broken')"), tmp_path)
    assert (failed.status, failed.detail) == ("failed", "broken")
    log = (tmp_path / "tests.log").read_text()
    assert log.count("=== tests") == 2 and log.index("one") < log.index("broken")


def test_a_stage_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_check, "GRACE", 0.5)
    deaf = "import signal, subprocess, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
    child = f"{deaf} print('child', flush=True); time.sleep(60)"
    parent = f"{deaf} subprocess.run([sys.executable, '-c', {child!r}])"
    started = time.monotonic()
    result = run(python(parent, limit=1.5), tmp_path)
    assert result.status == "timeout" and time.monotonic() - started < 10
    assert result.detail == "child"


def test_without_a_build_nothing_else_runs(tmp_path):
    done = run_all(
        [python("raise SystemExit(1)", name="build"), python("print('ran')")],
        tmp_path,
    )
    assert [result.status for result in done] == ["failed", "skipped"]
    assert done[1].detail == "the build did not pass"


@pytest.mark.parametrize("code", [0, 1])
def test_summary_and_exit(tmp_path, monkeypatch, capsys, code):
    about = {"gpu": "a GPU", "torch": "2", "cuda": "13", "nvcc": "nvcc 13"}
    monkeypatch.setattr(gpu_check, "look", lambda executable: about)
    monkeypatch.setattr(
        gpu_check, "stages", lambda *_: [python(f"print('hi'); raise SystemExit({code})")]
    )
    assert gpu_check.main(["--results", str(tmp_path)]) == code
    record = json.loads((tmp_path / "summary.json").read_text())
    assert record["passed"] == (code == 0) and record["gpu"] == "a GPU"
    assert record["stages"][0]["detail"] == "hi"
    assert capsys.readouterr().out.endswith((tmp_path / "summary.txt").read_text())
