"""The set-up behind `make env`: what makes a step run again, and the lines that refuse."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import installed
import machine
import pytest
import recipe
import steps


@pytest.fixture
def checkout(tmp_path):
    """A tree with what the steps depend on, and a .venv that only looks like one."""
    (tmp_path / "constraints.txt").write_text("numpy==2.0\ntorch==2.13.0\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "setup.py").write_text("")
    (tmp_path / "csrc" / "math").mkdir(parents=True)
    (tmp_path / "csrc" / "math" / "x.h").write_text("// one\n")
    (tmp_path / "genbench").mkdir()
    (tmp_path / ".venv").mkdir()
    return tmp_path


def keys(checkout, **variables):
    return {step.name: step.key for step in recipe.Environment(checkout, variables).steps()}


@pytest.mark.parametrize(
    ("file", "text", "again"),
    [
        ("csrc/math/x.h", "// two\n", {"extension"}),
        ("csrc/cpu/new.cpp", "// new\n", {"extension"}),
        ("setup.py", "# two\n", {"packages", "extension"}),
        ("pyproject.toml", "# two\n", {"packages"}),
        ("constraints.txt", "numpy==2.1\ntorch==2.13.0\n", {"packages"}),
        ("constraints.txt", "numpy==2.0\ntorch==2.14.0\n", {"torch", "packages", "extension"}),
        ("README.md", "hello\n", set()),
        ("genbench/cli.py", "print()\n", set()),
    ],
)
def test_a_changed_input_asks_for_its_steps_alone(checkout, file, text, again):
    before = keys(checkout)
    (checkout / file).parent.mkdir(exist_ok=True)
    (checkout / file).write_text(text)
    after = keys(checkout)
    assert {name for name in after if after[name] != before[name]} == again


def test_a_touched_input_asks_for_nothing(checkout):
    before = keys(checkout)
    for path in checkout.rglob("*"):
        path.touch()
    assert keys(checkout) == before


def test_the_build_mode_asks_for_the_extension_alone(checkout):
    before, after = keys(checkout), keys(checkout, GENBENCH_BUILD="skip")
    assert {name for name in after if after[name] != before[name]} == {"extension"}


def test_a_compiler_that_appeared_asks_for_the_extension(checkout):
    (checkout / "c++").write_text("")
    (checkout / "c++").chmod(0o755)
    without = recipe.Environment(checkout, {"GENBENCH_BUILD": "auto", "PATH": ""}).steps()[-1]
    there = {"GENBENCH_BUILD": "auto", "PATH": str(checkout)}
    assert without.title == "leaving the extension out"
    assert recipe.Environment(checkout, there).steps()[-1].title == "building the extension"
    assert recipe.Environment(checkout, there).steps()[-1].key != without.key


@pytest.fixture
def step(tmp_path):
    """A step that counts its runs and leaves a file; `whole` looks for the file."""
    left, runs = tmp_path / "left", []

    def make():
        runs.append(1)
        left.write_text("")
        return str(left)

    return steps.Step("one", "doing one", "key", make, lambda path: Path(path).exists()), runs, left


def test_a_step_runs_once_and_again_when_its_result_is_gone(tmp_path, step, capsys):
    one, runs, left = step
    for _ in range(2):
        if not steps.is_done(one, tmp_path):
            steps.do(one, tmp_path)
    assert runs == [1]
    assert capsys.readouterr().out == "doing one ... 0 s\n"
    left.unlink()
    assert not steps.is_done(one, tmp_path)
    steps.do(one, tmp_path)
    assert steps.is_done(one, tmp_path)
    assert not steps.is_done(one._replace(key="other"), tmp_path)


@pytest.mark.parametrize("error", [machine.Failure("no luck"), KeyboardInterrupt()])
def test_an_interrupted_step_is_not_done(tmp_path, step, error):
    one, _, _ = step
    steps.do(one, tmp_path)

    def fail():
        raise error

    with pytest.raises(type(error)):
        steps.do(one._replace(make=fail), tmp_path)
    assert not steps.is_done(one, tmp_path)


@pytest.mark.parametrize("text", ["", '{"key": "k', "\x00"])
def test_a_damaged_stamp_is_no_stamp(tmp_path, step, text):
    (tmp_path / "one.done.json").write_text(text)
    assert not steps.is_done(step[0], tmp_path)


def test_a_second_set_up_waits_for_the_first(tmp_path, capsys):
    order = []

    def second():
        with steps.locked(tmp_path / "lock"):
            order.append("second")

    with steps.locked(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        while "waiting for another" not in capsys.readouterr().out:
            assert thread.is_alive()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_child_that_outlives_its_parent_keeps_the_lock(tmp_path):
    with steps.locked(tmp_path / "lock") as lock:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
    try:
        command = [sys.executable, "-c", "import fcntl, sys; fcntl.flock(open(sys.argv[1]), 6)"]
        held = subprocess.run([*command, str(tmp_path / "lock")], capture_output=True, text=True)
        assert "BlockingIOError" in held.stderr
    finally:
        child.kill()
        child.wait()


@pytest.fixture
def site(tmp_path):
    """A site-packages folder with one distribution of two files, one of them compiled."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_text("a = 1\n")
    info = tmp_path / "pkg-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(
        "pkg/a.py,sha256=x,6\npkg/__pycache__/a.pyc,,\npkg-1.0.dist-info/RECORD,,\n"
    )
    return tmp_path


def test_a_whole_distribution_stays(site):
    assert installed.is_whole(site / "pkg-1.0.dist-info", sizes=True)
    assert installed.sweep(site) == []
    assert list(installed.distributions(site)) == ["pkg-1.0"]


@pytest.mark.parametrize("damage", ["file", "folder", "record", "truncated"])
def test_a_damaged_distribution_is_swept(site, damage):
    (site / "~kg").mkdir()
    if damage == "truncated":
        (site / "pkg" / "a.py").write_text("a")
        assert installed.is_whole(site / "pkg-1.0.dist-info", sizes=False)
    elif damage == "folder":
        (site / "pkg" / "a.py").unlink()
        (site / "pkg").rmdir()
    else:
        (site / {"file": "pkg/a.py", "record": "pkg-1.0.dist-info/RECORD"}[damage]).unlink()
    assert not installed.is_whole(site / "pkg-1.0.dist-info", sizes=True)
    assert installed.sweep(site) == ["pkg-1.0"]
    assert not (site / "pkg-1.0.dist-info").exists()
    assert not (site / "~kg").exists()


def test_a_source_changed_to_an_older_time_looks_new(checkout):
    built, header = recipe.Environment(checkout, {}), checkout / "csrc" / "math" / "x.h"
    steps.remember(built.objects, built.freshen())
    object_file = checkout / "build" / "temp.linux" / "x.o"
    object_file.parent.mkdir(parents=True)
    object_file.write_text("")
    header.write_text("// restored from a backup\n")
    for path in (header, checkout / "setup.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    built.freshen()
    assert header.stat().st_mtime >= object_file.stat().st_mtime
    assert (checkout / "setup.py").stat().st_mtime == 1_000_000_000
    assert object_file.exists()
    (checkout / "constraints.txt").write_text("torch==2.14.0\n")
    built.freshen()
    assert not object_file.exists()
