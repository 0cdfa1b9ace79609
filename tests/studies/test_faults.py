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
from one_process import Here
from running import processes, wait_for

from genbench.cli import main
from genbench.files import claim
from genbench.studies import driver

STUDY = ["study", "mode-collapse", "--data", "ring8", "--seeds", "1", "--steps", "160"]
STUDY += ["--losses", "non_saturating", "relativistic+r1+r2"]


def start(out):
    return subprocess.Popen(
        [sys.executable, "-m", "genbench", *STUDY, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def complete(out):
    """The rows after the study has run to its end, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "_Pool", Here)
        assert main([*STUDY, "--out", str(out)]) == 0
    return rows(out)


def rows(out):
    found = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in found]


def workers(out):
    return processes("genbench.studies.worker", out)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return complete(tmp_path_factory.mktemp("undisturbed") / "out")


def training(out):
    return any((out / "cells").glob("*/checkpoints/step-*"))


pytestmark = pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")


def test_ctrl_c_ends_with_130_and_the_next_run_with_the_same_rows(tmp_path, undisturbed):
    out = tmp_path / "out"
    process = start(out)
    wait_for(lambda: training(out))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; the same command goes on from the checkpoints"
    assert "Traceback" not in errors and not workers(out)
    assert complete(out) == undisturbed


def test_workers_end_with_their_driver_and_are_replaced_where_they_die(tmp_path, undisturbed):
    out = tmp_path / "out"
    process = start(out)
    wait_for(lambda: training(out))
    process.kill()
    process.communicate()
    wait_for(lambda: not workers(out), seconds=10)  # 4 s, and what a loaded machine adds
    process = start(out)
    wait_for(lambda: workers(out))
    os.kill(workers(out)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0 and "its worker died with code -9; starting again" in errors
    assert rows(out) == undisturbed


def progress(out):
    """What is on disk; it changes with every checkpoint and row."""
    return sorted(map(str, [*out.glob("cells/*/*/*"), *out.glob("cells/*/row.json")]))


def test_kills_at_random_moments_change_nothing(tmp_path, undisturbed):
    out, rng, codes = tmp_path / "out", random.Random(0), []
    for _ in range(3):
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
    wait_for(lambda: not workers(out))
    assert complete(out) == undisturbed


def test_a_folder_in_use_is_refused(tmp_path, capsys):
    with claim(tmp_path / "lock"):
        (tmp_path / "study.json").write_text('{"study": "mode-collapse"}')
        assert main([*STUDY, "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is in use by another study; choose another --out" in line
    assert not (tmp_path / "cells").exists()


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
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 2 and "Traceback" not in errors
        assert "out: cannot write" in errors.splitlines()[-1] and "No space left" in errors
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert complete(disk / "out") == undisturbed
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
