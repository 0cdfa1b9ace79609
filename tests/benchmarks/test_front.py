"""What pytest is asked to run, and what lands in the rows."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import conftest as front
from benchmarks.operation import Case
from benchmarks.ops import test_gan_bce, test_noise, test_reparameterize_kl

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
GENERATOR = test_gan_bce.OPERATIONS[1]
(KL,) = test_reparameterize_kl.OPERATIONS


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """(output, rows by variant) of a run of one small group."""
    path = tmp_path_factory.mktemp("front") / "rows.json"
    chosen = "generator_bce and forward and size10 and not compiled"
    command = [sys.executable, "-m", "pytest", "benchmarks/ops/test_gan_bce.py", "-p"]
    command += ["no:cacheprovider", "--benchmark-only", "-k", chosen, f"--benchmark-json={path}"]
    command += ["--threads=2", "--device=cpu"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    rows = json.loads(path.read_text())["benchmarks"]
    # pytest-benchmark's own command reads what was left of the rows.
    read = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", path], capture_output=True, text=True
    )
    assert read.returncode == 0 and "generator_bce-forward-size10-float32-eager" in read.stdout
    return ran.stdout, {row["extra_info"]["variant"]: row for row in rows}


def test_a_row_replays_its_seconds(report):
    _, rows = report
    assert {"eager", "reference"} <= rows.keys() <= {"eager", "reference", "fused"}
    for row in rows.values():
        assert row["group"] == "generator_bce forward, 2^10 elements"
        assert row["stats"]["median"] * 1e6 == pytest.approx(
            row["extra_info"]["median_us"], abs=6e-3
        )
        assert row["stats"]["rounds"] >= 7


def test_a_row_says_what_its_figure_depends_on(report):
    _, rows = report
    info = rows["eager"]["extra_info"]
    assert (info["op"], info["direction"], info["elements"]) == ("generator_bce", "forward", 1024)
    assert (info["bytes"], info["threads"], info["device"]) == (4096, 2, "cpu")
    assert info["form"] in GENERATOR.forms
    assert info["share_of_copy"] == pytest.approx(
        info["gigabytes_per_second"] / info["copy_bandwidth"],
        rel=0.02,  # rounded to three places
    )


def test_the_end_names_the_slowest_groups(report):
    output, _ = report
    assert "groups that took longest" in output and " s  all 1 groups" in output


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--device=gpu", "--device must be cpu or cuda, got 'gpu'"),
        pytest.param(
            "--device=cuda",
            "finds no CUDA device",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="it finds one"),
        ),
        ("--threads=0", "--threads must be at least 1, got 0"),
    ],
)
def test_a_wrong_option_is_one_line(option, words):
    command = [sys.executable, "-m", "pytest", "benchmarks/ops/test_gan_bce.py", option]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in ran.stderr and len(ran.stderr.strip().splitlines()) == 1


def test_the_default_sizes():
    cases = list(front.default_cases(KL, CPU))
    assert {case.elements for case in cases} == {2**10, 2**16, 2**20, 2**24}
    assert {case.dtype for case in cases} == {torch.float32}
    assert front.variants_of(cases[0], full=False) == KL.variants()
    large = next(case for case in cases if case.elements == 2**24)
    assert front.variants_of(large, full=False) == ["eager", "fused"]
    assert front.variants_of(large, full=True) == KL.variants()
    assert 2**24 not in {case.elements for case in front.default_cases(GENERATOR, CPU)}


def test_a_full_run_has_all_sizes_directions_and_half_numbers():
    cases = list(front.full_cases(dataclasses.replace(KL, directions=("forward",)), CPU))
    whole = [case for case in cases if case.dtype == torch.float32]
    sizes = [2**size for size in (10, 12, 14, 16, 18, 20, 22, 24)]
    assert [case.elements for case in whole] == 2 * sizes
    assert len({case.direction for case in whole}) == 2
    assert {case.dtype for case in cases} == {torch.float32, torch.bfloat16}


def test_full_reaches_the_rows():
    command = [sys.executable, "-m", "pytest", "benchmarks/ops/test_interpolate.py", "-q"]
    command += ["--collect-only", "--full", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "interpolate-both-size22-float32-eager" in ran.stdout
    assert "interpolate-forward-size24-bfloat16-fused" in ran.stdout


def test_what_disagrees_is_not_timed():
    wrong = dataclasses.replace(
        GENERATOR, rivals={"wrong": lambda: lambda fake: (1.01 * fake.sigmoid().mean(),)}
    )
    (case, *_) = front.default_cases(wrong, CPU)
    group = front.run_group(case, ["eager", "wrong"], timed=True)
    assert group.measured is not None and "wrong" not in group.measured.reused
    assert group.wrong.keys() == {"wrong"} and not group.absent


def test_what_cannot_run_is_skipped_with_a_reason(monkeypatch):
    def missing():
        raise ModuleNotFoundError("No module named 'elsewhere'")

    entry = {"op": GENERATOR.name, "backend": "reference", "why": "it has no kernel yet"}
    monkeypatch.setattr(front, "describe", lambda: [entry])
    operation = dataclasses.replace(GENERATOR, rivals={"elsewhere": missing})
    (case, *_) = front.default_cases(operation, CPU)
    group = front.run_group(case, ["eager", "elsewhere", "fused"], timed=False)
    assert group.absent == {
        "elsewhere": "No module named 'elsewhere'",
        "fused": "not fused: it has no kernel yet",
    }
    assert group.measured is None and not group.wrong


def test_a_dtype_without_a_kernel_is_skipped(monkeypatch):
    entry = {"op": KL.name, "backend": "fused", "why": "the extension is loaded"}
    monkeypatch.setattr(front, "describe", lambda: [entry])
    monkeypatch.setattr(front, "fused_for", lambda op, probe: probe.dtype == torch.float32)
    reasons = [
        front.why_absent(Case(KL, "forward", 2**10, dtype), "fused")
        for dtype in (torch.float32, torch.bfloat16)
    ]
    assert reasons == [None, "no kernel for reparameterize_kl-forward-size10-bfloat16"]


def test_noise_is_asked_for_by_its_seed():
    for operation in test_noise.OPERATIONS:
        assert Case(operation, "forward", 2**10).probe().dtype == torch.int64
