"""Checkpoints: exact round trips, damage refused, a kill in the middle of a write survived."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from genbench.errors import InputError
from genbench.train.checkpoint import load_checkpoint, load_latest, save_checkpoint

STATE = {
    "step": 3,
    "rate": 0.1,
    "name": "gan",
    "nothing": None,
    "flag": True,
    "betas": (0.0, 0.9),
    "list": [1, torch.arange(3), {"x": 2.5}],
    "optimizer": {"state": {0: {"exp_avg": torch.randn(4, 2)}, 1: {"step": torch.tensor(5.0)}}},
    "rng": torch.Generator().get_state(),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "empty": torch.zeros(0, 3),
    "view": torch.arange(6.0).reshape(2, 3).t(),
}


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def test_round_trip_is_exact(tmp_path):
    path = save_checkpoint(tmp_path, 3, STATE)
    assert same(load_checkpoint(path), STATE)
    assert same(load_latest(tmp_path), STATE)


def test_no_file_is_a_pickle(tmp_path):
    path = save_checkpoint(tmp_path, 3, STATE)
    assert sorted(p.name for p in path.iterdir()) == [
        "manifest.json", "state.json", "state.safetensors",
    ]  # fmt: skip
    for name in ("manifest.json", "state.json"):
        json.loads((path / name).read_text())


def test_two_newest_are_kept(tmp_path):
    for step in (1, 2, 10, 9):
        save_checkpoint(tmp_path, step, {"step": step})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000009", "step-00000010"]


def test_a_value_that_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(TypeError, match="cannot hold set at '/a/b'"):
        save_checkpoint(tmp_path, 1, {"a": {"b": {1, 2}}})
    assert load_latest(tmp_path) is None


def test_missing_checkpoint(tmp_path):
    assert load_latest(tmp_path / "nowhere") is None
    with pytest.raises(InputError, match="checkpoint: cannot read"):
        load_checkpoint(tmp_path)


def test_every_mutation_is_refused_and_the_previous_one_used(tmp_path):
    save_checkpoint(tmp_path, 1, {"step": 1, **STATE})
    path = save_checkpoint(tmp_path, 2, {"step": 2, **STATE})
    rng = random.Random(0)
    files = {p: p.read_bytes() for p in path.iterdir()}
    for _ in range(200):
        victim = rng.choice(list(files))
        content = bytearray(files[victim])
        kind = rng.choice(["flip", "cut", "append", "empty", "gone"])
        if kind == "flip":
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            content = content[: rng.randrange(len(content))]
        elif kind == "append":
            content += bytes([rng.randrange(1, 256)])
        elif kind == "empty":
            content = bytearray()
        victim.unlink() if kind == "gone" else victim.write_bytes(content)
        with pytest.raises(InputError) as caught:
            load_checkpoint(path)
        assert "\n" not in str(caught.value)
        with pytest.warns(UserWarning, match="using the one before it"):
            found = load_latest(tmp_path)
        assert found is not None and found["step"] == 3  # STATE's own step, from checkpoint 1
        victim.write_bytes(files[victim])
    assert same(load_checkpoint(path), {"step": 2, **STATE})


def test_a_broken_write_leaves_the_old_one(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, {"step": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 2, {"step": 2})
    monkeypatch.undo()
    assert load_latest(tmp_path) == {"step": 1}


WRITER = """
import sys, torch
from pathlib import Path
from genbench.train.checkpoint import save_checkpoint
print("ready", flush=True)
for step in range(1, 100_000):
    state = {"step": step, "x": torch.full((20_000,), float(step))}
    save_checkpoint(Path(sys.argv[1]), step, state)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    rng = random.Random(1)
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        time.sleep(0.3 + rng.random() * 0.2)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        state = load_latest(tmp_path)
        assert state is not None and (state["x"] == state["step"]).all()
