"""Ctrl-C and kill -9 at any moment: the study goes on, and no row is lost, doubled or different."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

COMMAND = [sys.executable, "-m", "genbench", "study", "mode-collapse", "--data", "ring8"]
OPTIONS = ["--losses", "non_saturating", "relativistic+r1+r2", "--seeds", "1", "--steps", "400"]


def start(out, *extra):
    return subprocess.Popen(
        [*COMMAND, *OPTIONS, "--out", str(out), *extra],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(out):
    found = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in found]


def workers(out):
    """Processes that work for the study in `out`."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    line = file.read()
            except OSError:  # it ended meanwhile
                continue
            if b"genbench.studies.worker" in line and str(out).encode() in line:
                found.append(int(entry))
    return found


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    process = start(out)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return rows(out)


def training(out):
    return any((out / "cells").glob("*/checkpoints/step-*"))


pytestmark = pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")


def test_ctrl_c_ends_with_130_and_the_next_run_with_the_same_rows(tmp_path, undisturbed):
    out = tmp_path / "out"
    process = start(out)
    wait_for(lambda: training(out))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; the same command goes on from the checkpoints"
    assert "Traceback" not in errors and not workers(out)
    assert start(out).wait(timeout=120) == 0
    assert rows(out) == undisturbed


def test_workers_end_soon_after_their_driver_is_killed(tmp_path, undisturbed):
    out = tmp_path / "out"
    process = start(out)
    wait_for(lambda: training(out))
    process.kill()
    process.wait()
    wait_for(lambda: not workers(out), seconds=5)
    assert start(out).wait(timeout=120) == 0
    assert rows(out) == undisturbed


def progress(out):
    """What is on disk; it changes with every checkpoint and row."""
    return sorted(str(path) for path in (out / "cells").glob("*/*/*")) + sorted(
        str(path) for path in (out / "cells").glob("*/row.json")
    )


def test_kills_at_random_moments_change_nothing(tmp_path, undisturbed):
    out, rng, codes = tmp_path / "out", random.Random(0), []
    for _ in range(4):
        process, before = start(out), progress(out)
        wait_for(lambda p=process, b=before: progress(out) != b or p.poll() is not None)
        time.sleep(0.3 * rng.random())
        victims = [process.pid, *workers(out)]
        for victim in rng.sample(victims, rng.randint(1, len(victims))):
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.kill(victim, signal.SIGKILL)
        process.kill()
        process.communicate()
        codes.append(process.returncode)
    assert codes[0] == -signal.SIGKILL  # the first at least was in the middle
    assert start(out).wait(timeout=120) == 0
    assert rows(out) == undisturbed


def test_a_killed_worker_is_replaced(tmp_path, undisturbed):
    out = tmp_path / "out"
    process = start(out)
    wait_for(lambda: training(out))
    os.kill(workers(out)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0 and "its worker died with code -9; starting again" in errors
    assert rows(out) == undisturbed


def test_a_second_driver_on_the_folder_is_refused(tmp_path):
    out = tmp_path / "out"
    first = start(out)
    wait_for(lambda: training(out))
    first.send_signal(signal.SIGSTOP)  # or it ends before a slow second one looks
    second = start(out)
    _, errors = second.communicate(timeout=60)
    first.send_signal(signal.SIGCONT)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    assert second.returncode == 2
    assert len(errors.splitlines()) == 1 and "is in use by another study" in errors


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_full_disk_is_one_line_and_mending_it_goes_on(tmp_path, undisturbed):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a tmpfs here")
    try:
        process = start(disk / "out")
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2 and "Traceback" not in errors
        assert "out: cannot write" in errors.splitlines()[-1] and "No space left" in errors
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert start(disk / "out").wait(timeout=120) == 0
        assert rows(disk / "out") == undisturbed
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
