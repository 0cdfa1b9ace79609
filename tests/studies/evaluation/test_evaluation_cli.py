"""`genbench evaluate`: one JSON object or a table on stdout, one line on stderr for bad input."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from digit_files import digits, save_array, save_folder

from genbench.cli import main
from genbench.report import stages
from genbench.studies import evaluate


def run(capsys, *arguments):
    """Exit code, standard output, standard error."""
    try:
        code = main(["evaluate", *(str(argument) for argument in arguments)])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths of sets by name."""
    folder, rng = tmp_path_factory.mktemp("sets"), np.random.default_rng(0)
    real, fake = rng.standard_normal((80, 3)), 0.8 * rng.standard_normal((70, 3))
    spoilt = fake.copy()
    spoilt[4] = np.nan
    (folder / "text.txt").write_text("no array")
    pictures = digits(0, 40)
    return {
        "real": save_array(folder / "real.npy", real),
        "fake": save_array(folder / "fake.npy", fake),
        "spoilt": save_array(folder / "spoilt.npy", spoilt),
        "wide": save_array(folder / "wide.npy", rng.standard_normal((70, 4))),
        "short": save_array(folder / "short.npy", fake[:3]),
        "grey": save_folder(folder / "grey", pictures),
        "rgb": save_folder(folder / "rgb", np.stack([pictures] * 3, axis=-1)),
        "large": save_array(folder / "large.npy", pictures.repeat(2, 1).repeat(2, 2)),
        "floats": save_array(folder / "floats.npy", pictures / np.float32(127.5) - 1),
        "text": folder / "text.txt",
        "nowhere": folder / "nowhere",
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def row_of(capsys, files, real, fake, *arguments):
    code, out, err = run(capsys, "--real", files[real], "--fake", files[fake], "--json", *arguments)
    assert code == 0, err
    return json.loads(out)


def test_json_is_one_object_and_the_librarys_row(capsys, files):
    code, out, err = run(capsys, "--real", files["real"], "--fake", files["fake"], "--json")
    assert code == 0 and err == "" and len(out.splitlines()) == 1
    row = evaluate(real=files["real"], fake=files["fake"])
    assert {**json.loads(out), "seconds": 0} == {**row, "seconds": 0}


def test_the_table_holds_every_score(capsys, files):
    sets = ["--real", files["real"], "--fake", files["fake"]]
    code, out, err = run(capsys, *sets, "--metrics", "prdc", "fid", "--interval")
    row = evaluate(real=files["real"], fake=files["fake"], metrics=["prdc", "fid"], level=0.95)
    assert code == 0 and err == ""
    titles, rule, *lines = out.splitlines()
    assert titles.split("  ")[0] == "score" and "95% interval" in titles and set(rule) == {"-"}
    shown = {line.split()[0]: line.split() for line in lines[: lines.index(rule)]}
    assert list(shown) == [*row["metrics"]["precision_recall"], "frechet_distance"]
    for key, (_, value, low, to, high, better, *_) in shown.items():
        assert [float(value), float(low), float(high)] == pytest.approx(
            [row[key], *row["intervals"][key]],
            rel=1e-5,  # six digits
        )
        assert to == "to" and better == {"frechet_distance": "lower", "density": "as"}.get(
            key, "higher"
        )
    assert shown["density"][-1] == "1" and "k = 3" in out
    words = f"real: {files['real']}: 80 rows of 3 features, sha256 {row['real']['sha256'][:12]};"
    assert words in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--real", "real"], "required: --fake"),
        (["--real", "nowhere", "--fake", "fake"], "real: "),
        (["--real", "real", "--fake", "text"], "fake: "),
        (["--real", "real", "--fake", "wide"], "must have the same width, got 3 and 4"),
        (["--real", "real", "--fake", "short"], "must have at least 4 rows, got 3"),
        (["--real", "real", "--fake", "spoilt"], "NaN or infinity in 1 of 70 rows, first in row 4"),
        (["--real", "grey", "--fake", "fake"], "must both be images or both be features"),
        (["--real", "grey", "--fake", "rgb"], "must have as many channels, got 1 in "),
        (
            ["--real", "grey", "--fake", "large", "--features", "raw"],
            "raw needs images of one size, got 8 x 8 and 16 x 16",
        ),
        (["--real", "real", "--fake", "fake", "--features", "raw"], "leave out --features raw"),
        (["--real", "grey", "--fake", "floats", "--features", "vgg"], "unknown name 'vgg'"),
        (["--real", "real", "--fake", "fake", "--metrics", "fidd"], "did you mean 'fid'?"),
        (["--real", "real", "--fake", "fake", "--metrics"], "--metrics: expected at least one"),
        (
            ["--real", "real", "--fake", "fake", "--k", "0"],
            "k: must be a whole number of at least 1, got 0",
        ),
        (["--real", "real", "--fake", "fake", "--k", "many"], "--k: invalid int value: 'many'"),
        (["--real", "real", "--fake", "fake", "--device", "tpu"], "device: must be cpu or cuda"),
        (["--real", "real", "--fake", "fake", "--metrics", "modes"], "needs features and --modes"),
        (
            ["--real", "real", "--fake", "fake", "--modes", "ring8"],
            "only mode_coverage and mode_spread use them",
        ),
        (
            ["--real", "real", "--fake", "fake", "--metrics", "modes", "--modes", "ring9"],
            "modes: unknown name 'ring9'; did you mean 'ring8'?",
        ),
        (
            ["--real", "real", "--fake", "fake", "--metrics", "modes", "--modes", "no.npz"],
            "modes: no.npz cannot be read: No such file",
        ),
        (["--real", "grey", "--fake", "grey", "--batch-size", "0", "--features", "raw"], "got 0"),
        (["--real", "real", "--fake", "fake", "--size", "8"], "size: only images heed it"),
        (["--real", "real", "--fake", "fake", "--weights", "w"], "weights: only images heed it"),
        (
            ["--real", "real", "--fake", "fake", "--k", "5", "--metrics", "fid", "memorization"],
            "k: only knn_divergence and precision_recall heed it, got frechet_distance, memor",
        ),
        (
            ["--real", "real", "--fake", "fake", "--metrics", "modes", "--modes", "ring8"],
            "modes: must lie in fake's 3 dimensions, got 2",
        ),
        (["--real", "grey", "--fake", "grey", "--features", ""], "features: unknown name ''"),
        (["--real", "", "--fake", "fake"], "real: must be a path, got an empty one"),
        (["--real", "grey", "--fake", "floats", "--value-range", "byte"], "'byte'"),
        (["--real", "grey", "--fake", "grey", "--size", "0"], "size"),
        (["--real", "real", "--fake", "fake", "--out", "/proc/nothing"], "out: cannot write"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(capsys, files, arguments, words):
    code, _, err = run(capsys, *(files.get(word, word) for word in arguments))
    assert code == 2 and len(err.splitlines()) == 1
    assert words in err and err.startswith("genbench")


def test_rows_can_be_left_out(capsys, files):
    sets = ["--real", files["real"], "--fake", files["spoilt"], "--json"]
    code, out, err = run(capsys, *sets, "--drop-non-finite")
    assert code == 0 and json.loads(out)["fake"]["dropped"] == 1
    assert err == "fake: left out NaN or infinity in 1 of 70 rows, first in row 4\n"


def test_warnings_are_in_the_row_and_on_stderr_each_time(capsys, files):
    sets = ["--real", files["real"], "--fake", files["short"], "--metrics", "fid", "--json"]
    for _ in range(2):
        code, out, err = run(capsys, *sets)
        (line,) = json.loads(out)["warnings"]
        assert code == 0 and "biased upward below 2 d = 6 rows; fake has 3" in line
        assert err == f"genbench: {line}\n"


def test_options_reach_their_places(capsys, files):
    row = row_of(capsys, files, "real", "fake", "--k", "5", "--metrics", "prdc")
    assert "k = 5" in row["conventions"]["precision_recall"]
    images = ["--features", "raw", "--metrics", "prdc"]
    row = row_of(capsys, files, "grey", "large", *images, "--size", "4", "--batch-size", "7")
    assert row["real"]["shape"] == row["fake"]["shape"] == [1, 4, 4]
    assert row["extractor"]["batch_size"] == 7
    row = row_of(capsys, files, "grey", "floats", *images, "--value-range", "symmetric")
    assert "as told" in row["fake"]["conventions"]["values"]


def test_an_extractors_weights_and_trust(capsys, files, tmp_path):
    sets = ["--real", files["grey"], "--fake", files["floats"], "--metrics", "prdc", "--json"]
    code, _, err = run(capsys, *sets, "--features", "digits", "--weights", tmp_path / "none")
    assert code == 2 and "weights: " in err and len(err.splitlines()) == 1
    with warnings.catch_warnings(action="ignore"):  # torch calls TorchScript deprecated
        script: Any = torch.jit.trace(torch.nn.Flatten(), torch.zeros(2, 1, 8, 8))
        script.save(tmp_path / "flat.ts")
    code, _, err = run(capsys, *sets, "--features", tmp_path / "flat.ts")
    assert code == 2 and "--trust" in err and len(err.splitlines()) == 1
    code, out, _ = run(capsys, *sets, "--features", tmp_path / "flat.ts", "--trust")
    raw = run(capsys, *sets, "--features", "raw")[1]
    row, same = json.loads(out), json.loads(raw)
    assert code == 0 and row["extractor"]["name"] == "flat.ts"
    assert all(row[key] == same[key] for key in row["metrics"]["precision_recall"])


def test_the_row_goes_to_a_file_too(capsys, files, tmp_path):
    out = tmp_path / "deep" / "row.json"
    row = row_of(capsys, files, "real", "fake", "--out", out)
    assert json.loads(out.read_text()) == row and list(out.parent.iterdir()) == [out]


def test_the_cache_goes_where_it_is_told(capsys, files, tmp_path):
    row_of(capsys, files, "grey", "floats", "--features", "raw", "--cache", tmp_path / "own")
    assert list((tmp_path / "own").rglob("*.safetensors"))
    assert not (tmp_path / "cache").exists()


@pytest.mark.cuda
def test_the_same_on_a_gpu(capsys, files):
    cpu, cuda = (row_of(capsys, files, "real", "fake", "--device", d) for d in ("cpu", "cuda"))
    for key in ("precision", "recall", "density", "coverage"):
        assert cpu[key] == cuda[key]
    assert cuda["frechet_distance"] == pytest.approx(cpu["frechet_distance"], rel=1e-9)


def test_long_work_is_told_on_stderr_alone(capsys, files, monkeypatch):
    monkeypatch.setattr(stages, "EVERY_S", 0.0)
    sets = ["--real", files["grey"], "--fake", files["floats"], "--features", "raw", "--json"]
    code, out, err = run(capsys, *sets)
    assert code == 0 and json.loads(out)
    assert "real: images through raw: 40 of 40, about 0 s left" in err.splitlines()


@pytest.fixture
def slow(tmp_path, files):
    """Arguments whose extraction takes seconds: six chunks of real pictures."""
    many = save_array(tmp_path / "many.npy", digits(0, 1_536))
    return ["--real", str(many), "--fake", str(files["grey"]), "--features", "digits", "--json"]


def stopped(arguments, cache, with_signal):
    """Exit code, output and errors of a command that gets a signal after its first chunk."""
    process = subprocess.Popen(
        [sys.executable, "-m", "genbench", "evaluate", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GENBENCH_CACHE": str(cache)},
    )
    deadline = time.monotonic() + 60
    while not chunks(cache):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(with_signal)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def chunks(cache):
    return set(cache.rglob("*.safetensors"))


@pytest.mark.filterwarnings("ignore:frechet distance")  # 40 fakes: few, to be quick
def test_a_killed_evaluation_goes_on_to_the_same_row(capsys, slow, cache, tmp_path):
    code, out, _ = stopped(slow, cache, signal.SIGKILL)
    assert code == -signal.SIGKILL and out == ""
    before = {path: path.stat().st_ino for path in chunks(cache)}
    assert 1 <= len(before) < 6
    resumed = json.loads(run(capsys, *slow)[1])
    # the chunks from before the kill were read, not written again
    assert before.items() <= {path: path.stat().st_ino for path in chunks(cache)}.items()
    fresh = json.loads(run(capsys, *slow, "--cache", tmp_path / "fresh")[1])
    assert {**resumed, "seconds": 0} == {**fresh, "seconds": 0}
    names = {path.name for path in chunks(cache)}
    assert names == {path.name for path in chunks(tmp_path / "fresh")}
    assert len(names) == 7  # six chunks and the moments


def test_ctrl_c_is_one_line_and_130(slow, cache):
    code, out, err = stopped(slow, cache, signal.SIGINT)
    assert code == 130 and out == ""
    assert err == "interrupted; the same command goes on from the cache\n"


def test_an_idx_file_holds_the_same_pictures(capsys, files, tmp_path):
    pictures = digits(0, 40)
    header = struct.pack(">HBB3I", 0, 8, 3, *pictures.shape)  # uint8, three axes
    files = {**files, "idx": tmp_path / "train-images-idx3-ubyte"}
    files["idx"].write_bytes(header + pictures.tobytes())
    row = row_of(capsys, files, "idx", "grey", "--features", "raw", "--metrics", "fid", "prdc")
    assert row["frechet_distance"] == 0.0 and row["precision"] == row["recall"] == 1.0


def test_inception_is_the_default_and_says_what_it_lacks(capsys, files, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    code, out, err = run(capsys, "--real", files["grey"], "--fake", files["floats"])
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and "inception" in err
