"""What `make env` refuses: one line on stderr, exit 2, nothing half-made."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import environment
import machine
import pytest
import recipe
import steps

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path):
    """A tree in which tools/environment.py can be run."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for name in ("constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def refusal(checkout, *, before="pass", **variables):
    """The one line that a run is refused with."""
    script = checkout / "tools" / "environment.py"
    program = f"""
import runpy, sys
sys.path.insert(0, {str(script.parent)!r})
{before}
runpy.run_path({str(script)!r}, run_name="__main__")
"""
    environ = {**os.environ, "GENBENCH_BUILD": "", "PYTHONPATH": "", **variables}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def test_an_old_python(checkout):
    line = refusal(checkout, before="sys.version_info = (3, 10, 4)")
    assert line.startswith("genbench needs Python 3.11 or newer, found 3.10.4 (")
    assert line.endswith("; set PYTHON=/path/to/python3.11")
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("version", "refused"), [((3, 10, 99), True), ((3, 11, 0), False), ((4, 0, 0), False)]
)
def test_the_oldest_python(version, refused):
    assert bool(environment.too_old(version, "python")) == refused


def test_an_old_python_can_read_the_refusal():
    source = (ROOT / "tools" / "environment.py").read_text()
    ast.parse(source, feature_version=(3, 7))
    assert "from __future__" not in source  # unknown names there stop 3.6 before any line runs


def test_no_compiler(checkout, tmp_path):
    line = refusal(checkout, PATH=str(tmp_path / "empty"), CXX="")
    assert "no C++ compiler found (looked for c++, g++, clang++); install one" in line
    assert not (checkout / ".venv").exists()


def test_a_named_compiler_that_is_not_there(checkout):
    assert "no C++ compiler found (looked for nosuch++)" in refusal(checkout, CXX="nosuch++")


def test_the_compiler_that_is_used(tmp_path):
    for name in ("clang++", "g++"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    assert machine.find_compiler({"PATH": str(tmp_path)}) == "g++"
    assert machine.find_compiler({"PATH": str(tmp_path), "CXX": "clang++ -pipe"}) == "clang++"
    (tmp_path / "g++").unlink()
    found = recipe.Environment(tmp_path, {"PATH": str(tmp_path)})
    assert found.variables["CXX"] == "clang++"


def test_no_headers(tmp_path):
    with pytest.raises(machine.Failure, match=r"no Python.h in .*; install Python's headers"):
        machine.check_compiler({"PATH": os.environ["PATH"]}, str(tmp_path))


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_no_module_for_environments(monkeypatch, module):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == module else real(n))
    with pytest.raises(machine.Failure, match=rf"has no module {module}; .* python3\.\d+-venv"):
        machine.check_modules()


def test_an_unknown_build_mode(checkout):
    line = refusal(checkout, GENBENCH_BUILD="maybe")
    assert line == "make env: GENBENCH_BUILD must be one of auto, require, skip, got 'maybe'"


def test_an_environment_of_somebody_else(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "pyvenv.cfg").write_text("mine")
    line = refusal(checkout, GENBENCH_BUILD="skip")
    assert line == "make env: .venv is there but make did not make it; move it away and run again"
    assert (checkout / ".venv" / "pyvenv.cfg").read_text() == "mine"


def test_a_torch_without_a_pin(checkout):
    (checkout / "constraints.txt").write_text("torchvision==0.28.0\n")
    assert "constraints.txt does not pin torch" in refusal(checkout)


def test_a_file_in_the_way(checkout):
    (checkout / ".venv").write_text("")
    assert ".venv" in refusal(checkout, GENBENCH_BUILD="skip")


def test_no_package_index(checkout):
    # Port 9 of this machine: nothing listens there, so a connection is refused at once.
    variables = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    variables |= {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    offline = recipe.Environment(checkout, variables)
    offline.python = Path(sys.executable)
    offline.venv.mkdir()
    with (
        pytest.raises(machine.Failure) as caught,
        steps.locked(offline.venv / "lock") as offline.lock,
    ):
        offline.pip_install("genbench-is-on-no-index")
    assert str(caught.value) == (
        "no package index could be reached (see the network, PIP_INDEX_URL and proxies); "
        "log: .venv/install.log"
    )
    assert "genbench-is-on-no-index" in offline.log.read_text()


def test_an_interrupt(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "set_up", interrupted)
    assert environment.make() == 130
    assert capsys.readouterr().err == "interrupted; run again to go on from here\n"


PIN = """The conflict is caused by:
    genbench[dev] 0.1.0 depends on rich
    The user requested (constraint) rich==99.0.0
ERROR: ResolutionImpossible: for help visit the documentation"""


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("WARNING: Retrying: NewConnectionError\nERROR: No matching distribution found", "no pack"),
        ("WARNING: Retrying: NewConnectionError\n" + PIN, "no package index could be reached"),
        (PIN, "no version fits the pin rich==99.0.0"),
        ("ERROR: No matching distribution found for torch==9", "ERROR: No matching distribution"),
        ("Max retries exceeded\nERROR: [Errno 28] No space left on device", "ERROR: [Errno 28]"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: timed out", "no package index could"),
        ("c++ -c x.cpp\nx.cpp:2:9: error: no\nRuntimeError: compiling failed", "x.cpp:2:9: error"),
        ("error: command 'g++' failed: not found\n", "error: command 'g++' failed"),
        ("Killed", "Killed"),
        ("", "no output"),
    ],
)
def test_a_failed_command_in_one_line(output, line):
    assert machine.diagnose(output).startswith(line)
