"""A stacked study that is killed: its scorers end, and the rows are those of a calm run."""

import json
import os
import signal
import subprocess
import sys

import pytest
from inline_scorers import InlineScorers, task_of
from running import processes, wait_for

from genbench.cli import main
from genbench.studies import plan, stacked_run

STUDY = ["study", "mode-collapse", "--data", "ring8", "--losses", "non_saturating"]
STUDY += ["--seeds", "2", "--steps", "30"]
SCRIPT = """
import sys
from genbench.cli import main
from genbench.studies import plan, stacked_group
plan.STACKED["cpu"], stacked_group.SAVE_EVERY = 4, 0.0
sys.exit(main(sys.argv[1:]))
"""

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")


def complete(out):
    """The rows after the study has run to its end, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plan.STACKED, "cpu", 4)
        patch.setattr(stacked_run, "Scorers", InlineScorers)
        patch.setattr(stacked_run, "open_task", task_of)
        assert main([*STUDY, "--out", str(out)]) == 0
    found = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in found]


def scorers(out):
    return processes("genbench.studies.scorer", out)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_study_that_is_stopped_goes_on_to_the_same_rows(number, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *STUDY, "--out", str(out), "--workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: any((out / "cells").glob("*/checkpoints/step-*")))
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL), errors
    assert not list(out.glob("cells/*/row.json"))
    wait_for(lambda: not scorers(out), seconds=30)  # 4 s, and what a loaded machine adds
    assert complete(out) == complete(tmp_path / "calm")
