"""The command line: exit codes, one line an error, and what each command prints."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import genbench
from genbench.cli import main
from genbench.ops import extension
from genbench.studies import kernels


def run(capsys, *arguments):
    """Exit code, standard output, standard error."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "study"
    arguments = ["--data", "ring8", "--losses", "non_saturating", "--seeds", "1", "--steps", "20"]
    assert main(["study", "mode-collapse", *arguments, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("name", ["models", "datasets", "losses", "metrics"])
def test_lists(capsys, name):
    code, out, _ = run(capsys, name)
    assert code == 0 and out.strip()
    code, out, _ = run(capsys, name, "--json")
    entries = json.loads(out)
    assert code == 0 and all(entry["name"] and entry["line"] for entry in entries)


def test_version(capsys):
    code, out, _ = run(capsys, "--version")
    assert code == 0 and out == f"genbench {genbench.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: COMMAND"),
        (["nothing"], "invalid choice: 'nothing'"),
        (["study"], "required: STUDY"),
        (["study", "mode-collapse", "--seeds", "two"], "--seeds: invalid int value: 'two'"),
        (
            ["study", "mode-collapse", "--seeds", "0"],
            "seeds: must be a whole number of at least 1, got 0",
        ),
        (
            ["study", "mode-collapse", "--steps", "-5"],
            "steps: must be a whole number of at least 1, got -5",
        ),
        (["study", "mode-collapse", "--data", "ring7"], "data: unknown name 'ring7'"),
        (["study", "mode-collapse", "--losses", "wgan"], "losses: unknown name 'wgan'"),
        (["study", "mode-collapse", "--losses"], "--losses: expected at least one argument"),
        (["study", "mode-collapse", "--device", "tpu"], "device: unknown name 'tpu'"),
        (["study", "mode-collapse", "--protocol", "slow"], "protocol: unknown name 'slow'"),
        (["study", "mode-collapse", "--backend", "fast"], "fast"),
        (["report", "nowhere"], "nowhere"),
        (["sample", "nowhere", "-n", "3", "--out", "x"], "checkpoint: 'nowhere' is not a folder"),
        (["sample", "nowhere", "--out", "x"], "required: -n"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == ""
    assert len(err.splitlines()) == 1 and words in err and err.startswith("genbench")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_another_kind_is_left_alone(capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    code, _, err = run(capsys, "study", "mode-collapse", "--out", tmp_path)
    assert code == 2 and len(err.splitlines()) == 1 and "not a study's folder" in err


def test_a_file_in_the_folders_place(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "study", "mode-collapse", "--out", tmp_path / "file" / "x")
    assert code == 2 and len(err.splitlines()) == 1 and "out: cannot write" in err


def test_report_rewrites_the_page(capsys, study):
    page = (study / "report.html").read_text()
    (study / "report.html").unlink()
    code, out, err = run(capsys, "report", study)
    assert code == 0 and "perfect sampler" in out and err == ""
    assert (study / "report.html").read_text() == page


def test_report_counts_damaged_lines(capsys, study, tmp_path):
    lines = (study / "rows.jsonl").read_text()
    (tmp_path / "rows.jsonl").write_text(lines + "{broken\n[]\n")
    code, out, err = run(capsys, "report", tmp_path)
    assert code == 0 and "left out 2 damaged lines" in err and "non_saturating" in out
    assert "2 damaged lines" in (tmp_path / "report.html").read_text()
    (tmp_path / "rows.jsonl").write_text("{broken\n")
    code, _, err = run(capsys, "report", tmp_path)
    assert code == 2 and "no valid row (1 damaged lines)" in err and len(err.splitlines()) == 1


def test_report_of_a_file_of_rows(capsys, study, tmp_path):
    (tmp_path / "kept.jsonl").write_bytes((study / "rows.jsonl").read_bytes())
    code, table, err = run(capsys, "report", tmp_path / "kept.jsonl", "--out", tmp_path / "page")
    assert code == 0 and err == "" and "perfect sampler" in table
    assert (tmp_path / "page" / "report.html").exists()
    code, again, _ = run(capsys, "report", study, "--out", tmp_path / "other")
    assert code == 0 and again.splitlines()[:-1] == table.splitlines()[:-1]
    assert list((tmp_path / "other").glob("samples-*.png"))  # of the study's cells
    code, _, err = run(capsys, "report", tmp_path / "kept.jsonl")
    assert code == 2 and len(err.splitlines()) == 1 and "needs --out DIR" in err
    code, _, err = run(capsys, "report", study, "--out", tmp_path / "kept.jsonl")
    assert code == 2 and len(err.splitlines()) == 1 and "use --out" in err


@pytest.mark.parametrize("pair", ["width", "=3"])
def test_a_constant_without_a_value(capsys, tmp_path, pair):
    code, _, err = run(capsys, "study", "mode-collapse", "--out", tmp_path / "x", "--set", pair)
    assert (
        code == 2 and len(err.splitlines()) == 1 and f"set: must be KEY=VALUE, got '{pair}'" in err
    )
    assert not (tmp_path / "x").exists()


def test_a_wrong_constant(capsys, tmp_path):
    for pair, told in (("widht=3", "widht"), ("width=wide", "width must be a whole number")):
        code, _, err = run(capsys, "study", "mode-collapse", "--out", tmp_path / "x", "--set", pair)
        assert code == 2 and len(err.splitlines()) == 1 and told in err


def test_sample_draws_the_cell_again(capsys, study, tmp_path):
    cell = next((study / "cells").iterdir())
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        code, out, _ = run(
            capsys, "sample", cell, "-n", 500, "--out", tmp_path / name, "--seed", seed
        )
        assert code == 0 and "samples.npy" in out and "samples.png" in out
    a, b, c = (np.load(tmp_path / name / "samples.npy") for name in "abc")
    assert a.shape == (500, 2) and a.dtype == np.float32
    assert np.array_equal(a, b) and not np.array_equal(a, c)


@pytest.mark.parametrize(("n", "words"), [(0, "n: must be at least 1, got 0"), (-2, "got -2")])
def test_sample_refuses_a_bad_count(capsys, study, tmp_path, n, words):
    code, _, err = run(capsys, "sample", study, "-n", n, "--out", tmp_path)
    assert code == 2 and words in err


def test_sample_refuses_a_folder_without_checkpoint(capsys, study, tmp_path):
    code, _, err = run(capsys, "sample", study, "-n", 5, "--out", tmp_path)
    assert code == 2 and "holds no whole checkpoint" in err


def test_sample_refuses_what_would_harm(capsys, study, tmp_path):
    cell = next((study / "cells").iterdir())
    for arguments, words in [
        ([cell, "-n", 5, "--out", cell], "is a study's cell"),
        ([cell, "-n", 10**15, "--out", tmp_path / "x"], "do not fit into memory"),
        ([cell, "-n", 5, "--out", tmp_path / "x", "--seed", 10**22], "seed: must be in"),
        ([cell, "-n", 5, "--out", "/proc/nothing"], "out: cannot write '/proc/nothing'"),
    ]:
        code, _, err = run(capsys, "sample", *arguments)
        assert code == 2 and words in err and len(err.splitlines()) == 1


def test_report_leaves_out_pictures_of_damaged_arrays(capsys, study, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    np.save(next((copy / "cells").iterdir()) / "samples.npy", np.zeros(5))
    assert run(capsys, "report", copy)[0] == 0
    shutil.copytree(study, copy, dirs_exist_ok=True)
    next((copy / "data").iterdir()).write_bytes(b"PK")
    code, _, err = run(capsys, "report", copy)
    assert code == 0 and "its picture is left out" in err and len(err.splitlines()) == 1


def test_an_ascii_terminal_gets_its_table(study):
    done = subprocess.run(
        [sys.executable, "-m", "genbench", "report", str(study)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0 and b"perfect sampler" in done.stdout


def test_kernels_tells_what_is_used(capsys, monkeypatch):
    monkeypatch.setattr(kernels, "REPEATS", 1)
    code, out, _ = run(capsys, "kernels", "--json")
    status = json.loads(out)
    assert code == 0 and status["active"] in ("fused", "reference")
    named = {operation["op"] for operation in status["operations"]}
    assert {"reparameterize_kl", "discriminator_bce", "gradient_penalty", "ddpm_step"} <= named
    # one row an operation; gradient_penalty needs a critic, whose own time would be the most of it
    assert {row["op"] for row in status["speed"]} == named - {"gradient_penalty"}
    assert all(row["eager_us"] > 0 and row["reference_us"] > 0 for row in status["speed"])
    code, out, _ = run(capsys, "kernels")
    assert code == 0 and "reparameterize_kl" in out


def test_a_missing_kernel_is_told_with_its_remedy_once(capsys, monkeypatch):
    monkeypatch.setattr(extension, "_load_error", "the extension was not built")
    monkeypatch.setattr(kernels, "REPEATS", 1)
    code, out, _ = run(capsys, "kernels")
    assert code == 0 and out.count(extension.REMEDY) == 1
    assert f"\nfor fused operations: {extension.REMEDY}\n" in out


def test_a_closed_pipe_is_no_traceback():
    command = f"{sys.executable} -m genbench losses | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_a_file_of_points_is_judged_by_the_modes_that_are_given(capsys, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    means = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    points = means[rng.integers(3, size=600)] + 0.03 * rng.normal(size=(600, 2))
    np.save(tmp_path / "points.npy", points)
    np.savez(tmp_path / "modes.npz", means=means, sigma=0.03)
    monkeypatch.chdir(tmp_path)
    arguments = ["--losses", "hinge", "--seeds", "1", "--steps", "2", "--out", "out"]
    code, _, err = run(
        capsys, "study", "mode-collapse", "--data", "points.npy", "--modes", "modes.npz", *arguments
    )
    assert code == 0, err
    row = json.loads((tmp_path / "out" / "rows.jsonl").read_text())
    assert row["mode_count"] == 3 and row["floor"]["high_quality"] > 0.95
    code, _, err = run(
        capsys, "study", "mode-collapse", "--data", "ring8", "--modes", "modes.npz", *arguments
    )
    assert (code, err) == (2, "genbench: modes: only a file or an array takes them, got ring8\n")
