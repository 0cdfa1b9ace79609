"""Runs into folders: what they leave, stopped at any step, changed, refused."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from genbench import from_pretrained
from genbench.cli import main
from genbench.errors import InputError
from genbench.report.stages import Stages
from genbench.studies.training import train
from genbench.studies.training.log import read_log
from genbench.train.options import Options

STEPS = 6


class StopAt(Stages):
    """Sends the signal that a terminal sends, after step `at`."""

    def __init__(self, at, number=signal.SIGINT):
        self.at, self.number, self.notes = at, number, []

    def advance(self, stage, done, of):
        if done == self.at:
            os.kill(os.getpid(), self.number)

    def note(self, text):
        self.notes.append(text)


def run(out, **changes):
    options = {"data": "digits", "steps": STEPS, "batch": 16, "evaluations": 3, "seed": 1}
    model = changes.pop("model", "autoencoder")
    return train(model, out=out, **{**options, **changes})


def left(out):
    """Everything that a run leaves but its time, its lock, and the checkpoint before the last."""
    paths = [p for p in sorted(out.rglob("*")) if p.is_file() and p.name != "lock"]
    last = max((out / "checkpoints").iterdir())
    paths = [p for p in paths if "checkpoints" not in p.parts or p.parent == last]
    found = {str(p.relative_to(out)): p.read_bytes() for p in paths}
    result = json.loads(found.pop("result.json"))
    return found, {k: v for k, v in result.items() if k != "seconds"}


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    out = tmp_path_factory.mktemp("calm") / "run"
    assert run(out, options=Options(ema=0.9)).finished
    return out


def test_a_run_leaves_what_it_says(calm):
    names = {str(p.relative_to(calm)) for p in calm.rglob("*") if p.is_file()}
    assert {"run.json", "log.jsonl", "curves.png", "result.json"} <= names
    assert {f"samples/{step:08d}.png" for step in (2, 4, 6)} <= names
    assert {p.name for p in (calm / "checkpoints").iterdir()} == {"step-00000004", "step-00000006"}
    log = read_log(calm / "log.jsonl")
    assert [line["step"] for line in log] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in log if "held_out/loss" in line] == [2, 4, 6]
    result = json.loads((calm / "result.json").read_text())
    best = min((line["held_out/loss"], line["step"]) for line in log if "held_out/loss" in line)
    assert result["best"] == list(best) and result["last"]["model/loss"] == log[-1]["model/loss"]


@pytest.mark.parametrize("at", range(1, STEPS))
def test_a_run_stopped_after_any_step_leaves_the_same_bytes(at, calm, tmp_path):
    out, options = tmp_path / "run", Options(ema=0.9)
    number = signal.SIGTERM if at % 2 else signal.SIGINT
    assert not run(out, options=options, progress=StopAt(at, number)).finished
    assert not (out / "model").exists()
    told = StopAt(None)
    assert run(out, options=options, resume=True, progress=told).finished
    assert told.notes == [f"going on after step {at} of {STEPS}"]
    assert left(out) == left(calm)


def test_a_finished_run_resumed_changes_nothing(calm):
    before = left(calm)
    assert run(calm, options=Options(ema=0.9), resume=True).finished
    assert left(calm) == before


def test_the_model_holds_the_average(calm):
    state = load_file(calm / "checkpoints" / "step-00000006" / "state.safetensors")
    for name, weight in from_pretrained(calm / "model").named_parameters():
        assert torch.equal(weight, state[f"/trainer/ema/average/{name}"])
        assert not torch.equal(weight, state[f"/trainer/model/{name}"])


@pytest.mark.slow
def test_kills_at_any_moment_lose_nothing(calm, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "genbench", "train", "autoencoder", "--data", "digits"]
    command += ["--steps", "6", "--batch", "16", "--evaluations", "3", "--seed", "1", "--ema", ".9"]
    for wait in (2.0, 2.5, 3.0, 3.5, 4.0):
        resume = ["--resume"] * (out / "run.json").exists()
        process = subprocess.Popen([*command, "--out", str(out), *resume])
        try:
            process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    resume = ["--resume"] * (out / "run.json").exists()
    assert subprocess.run([*command, "--out", str(out), *resume]).returncode == 0
    assert left(out) == left(calm)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"steps": 7}, "resume: the run in '.*' has steps 6, not 7"),
        ({"batch": 8}, "has batch 16, not 8"),
        ({"options": Options(ema=0.8)}, r"has options.ema 0.9, not 0.8"),
        ({"config": {"latent_dim": 4}}, "has config.latent_dim None, not 4"),
        ({"size": 16}, "resume: the run in"),
    ],
)
def test_a_changed_run_is_not_resumed(changes, match, calm):
    before = left(calm)
    with pytest.raises(InputError, match=match):
        run(calm, **{"options": Options(ema=0.9), "resume": True, **changes})
    assert left(calm) == before


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"model": "vea"}, "model: unknown name 'vea'"),
        ({"data": "digit"}, "data: unknown name 'digit'; did you mean 'digits'"),
        ({"config": {"latent": 3}}, "autoencoder has no field 'latent'; did you mean 'latent_dim'"),
        ({"config": {"latent_dim": 0}}, "latent_dim must be a whole number of at least 1, got 0"),
        ({"steps": 0}, "steps: must be a whole number of at least 1, got 0"),
        ({"batch": 2.0}, "batch: must be a whole number of at least 1, got 2.0"),
        ({"device": "cuda:77"}, "device: cannot use 'cuda:77'"),
        ({"device": "gpu"}, "device: cannot use 'gpu'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(changes, match, tmp_path):
    with pytest.raises(InputError, match=match):
        run(tmp_path / "run", **changes)
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_folder_with_a_run_is_not_overwritten(calm):
    with pytest.raises(InputError, match="holds a run already; add --resume"):
        run(calm)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"out: cannot write '.*file/run'"):
        run(tmp_path / "file" / "run")


def test_the_command_line_trains_and_samples(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["train", "autoencoder", "--data", "digits", "--out", str(out), "--steps", "2"]
    arguments += ["--set", "latent_dim=2", "learning_rate=1e-3", "--batch", "8"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "held_out/loss" in printed and f"trained: {out / 'model'}" in printed
    assert from_pretrained(out / "model").config.latent_dim == 2
    assert main(["sample", str(out), "-n", "5", "--out", str(tmp_path / "s")]) == 0
    assert np.load(tmp_path / "s" / "samples.npy").shape == (5, 1, 8, 8)
    assert (tmp_path / "s" / "samples.png").read_bytes().startswith(b"\x89PNG")
    newest = out / "checkpoints" / "step-00000002"
    assert main(["sample", str(newest), "-n", "5", "--out", str(tmp_path / "t")]) == 0
    same = (tmp_path / name / "samples.npy" for name in "st")
    assert next(same).read_bytes() == next(same).read_bytes()


def test_tensorboard_gets_the_log(tmp_path):
    events = "tensorboard.backend.event_processing.event_accumulator"
    room = pytest.importorskip(events, reason="tensorboard is not installed")
    assert run(tmp_path / "run", tensorboard=True).finished
    events = room.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    wanted = [(x["step"], x["model/loss"]) for x in read_log(tmp_path / "run" / "log.jsonl")]
    found = [(event.step, event.value) for event in events.Scalars("model/loss")]
    assert [step for step, _ in found] == [step for step, _ in wanted]
    assert [v for _, v in found] == pytest.approx([v for _, v in wanted])  # float32


def test_no_tensorboard_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="tensorboard: is not installed; pip install"):
        run(tmp_path / "run", tensorboard=True)


def test_a_run_that_diverges_says_where(tmp_path, capsys):
    rows = np.full((20, 2), 1e30, dtype=np.float32)
    np.save(tmp_path / "far.npy", rows)
    arguments = ["train", "gan", "--data", str(tmp_path / "far.npy"), "--steps", "4"]
    arguments += ["--set", "loss=least_squares", "--out", str(tmp_path / "run")]
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("genbench: critic loss is not finite at step 0: loss = inf")
    assert not (tmp_path / "run" / "model").exists()


def test_a_damaged_checkpoint_is_passed_over(calm, tmp_path):
    out, options = tmp_path / "run", Options(ema=0.9)
    assert not run(out, options=options, progress=StopAt(5)).finished
    newest = out / "checkpoints" / "step-00000005" / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="does not match its manifest; using the one before it"):
        assert run(out, options=options, resume=True).finished
    assert left(out) == left(calm)
