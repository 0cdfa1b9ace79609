"""benchmarks/compare.py tells a slower row from noise, from a busier machine and from bad input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.compare import BadInput, changes, main, read_rows

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "compare.py"
QUIET = {"eager": 100.0, "compiled": 300.0, "reference": 900.0, "fused": 30.0}


def write(path, medians, *, spread=0.03, group="op forward, 2^16 elements", **more):
    machine = {"device": "cpu", "processor": "x", "threads": 1, "instruction_set": "avx2"}
    rows = [
        {
            "group": group,
            "extra_info": machine
            | {"variant": name, "median_us": value}
            | {"p10_us": value * (1 - spread), "p90_us": value * (1 + spread)}
            | more,
        }
        for name, value in medians.items()
    ]
    path.write_text(json.dumps({"benchmarks": rows}))
    return path


def run(tmp_path, new, capsys, **more):
    """(exit status, regressions named, standard error) from QUIET to `new`."""
    paths = write(tmp_path / "old.json", QUIET), write(tmp_path / "new.json", new, **more)
    status = main(list(map(str, paths)))
    out, err = capsys.readouterr()
    named = [line.split(", ")[-1].split()[0] for line in out.splitlines() if "REGRESSION" in line]
    return status, named, err


@pytest.mark.parametrize(
    ("new", "spread", "slower"),
    [
        (QUIET, 0.03, []),
        (QUIET | {"fused": 36.0}, 0.03, ["fused"]),
        (QUIET | {"fused": 24.0}, 0.03, []),  # faster
        (QUIET | {"fused": 32.5}, 0.03, []),  # apart, but by 8 %
        (QUIET | {"fused": 36.0}, 0.2, []),  # by 20 %, but within the new run's spread
        ({name: 1.4 * value for name, value in QUIET.items()}, 0.03, []),  # a busier machine
        ({name: 1.4 * value for name, value in QUIET.items()} | {"fused": 60.0}, 0.03, ["fused"]),
        # Others that became faster do not make a row slower.
        ({name: 0.5 * value for name, value in QUIET.items()} | {"fused": 30.0}, 0.03, []),
        (QUIET | {"fused": 60.0, "reference": 2000.0}, 0.03, ["reference", "fused"]),
    ],
)
def test_what_counts_as_slower(tmp_path, capsys, new, spread, slower):
    status, named, err = run(tmp_path, new, capsys, spread=spread)
    assert (status, sorted(named), err) == (bool(slower), sorted(slower), "")


def test_a_row_alone_in_its_group_has_no_drift(tmp_path):
    old = read_rows(write(tmp_path / "old.json", {"fused": 10.0}))
    new = read_rows(write(tmp_path / "new.json", {"fused": 13.0}))
    (change,) = changes(old, new)
    assert change.drift == 1 and change.ratio == pytest.approx(1.3) and change.is_regression


def test_rows_of_one_run_are_named_and_do_not_count(tmp_path, capsys):
    less = {name: value for name, value in QUIET.items() if name != "compiled"}
    old, new = write(tmp_path / "old.json", QUIET), write(tmp_path / "new.json", less)
    assert main([str(old), str(new)]) == 0
    assert f"1 rows only in {old}, such as op forward, 2^16 elements, compiled" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file or directory"),
        ("{", "holds no rows of pytest"),
        ("[]", "holds no rows of pytest"),
        ('{"benchmarks": [{"group": "a"}]}', "holds no rows of pytest"),
        ('{"benchmarks": []}', "holds no rows"),
        ('{"benchmarks": [{"group": "a", "extra_info": {"variant": "fused"}}]}', "lacks one of"),
    ],
)
def test_bad_files_are_one_line_and_exit_2(tmp_path, text, why):
    good, bad = write(tmp_path / "good.json", QUIET), tmp_path / "bad.json"
    if text is not None:
        bad.write_text(text)
    command = [sys.executable, SCRIPT, good, bad]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert why in ran.stderr and "bad.json" in ran.stderr


def test_two_machines_are_not_compared(tmp_path, capsys):
    status, _, err = run(tmp_path, QUIET, capsys, threads=2)
    assert (status, err) == (2, "compare.py: threads differs: 1 and 2; run both on one machine\n")


def test_nothing_in_common_is_bad_input(tmp_path):
    old = read_rows(write(tmp_path / "old.json", QUIET))
    new = read_rows(write(tmp_path / "new.json", QUIET, group="other"))
    with pytest.raises(BadInput, match="no row is in both"):
        changes(old, new)


def test_wrong_usage_is_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["only-one.json"])
    assert capsys.readouterr().err == "compare.py: the following arguments are required: NEW\n"
