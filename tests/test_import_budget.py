"""Which modules a command loads: the lists and --help must answer without torch and its like."""

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL"}
# Prints what stood in sys.modules at the end, whatever the command printed and however it exited.
RUN = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.__stderr__))
sys.argv = ["genbench", *{arguments!r}]
{statement}
"""
COMMAND = "import runpy; runpy.run_module('genbench', run_name='__main__')"


def loaded(statement: str, arguments: tuple[str, ...] = ()) -> set[str]:
    """The modules that a fresh interpreter holds after a statement."""
    program = RUN.format(arguments=arguments, statement=statement)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("--help",), ("study", "--help"), ("evaluate", "--help")]
    + [
        (name, *more)
        for name in ("models", "datasets", "losses", "metrics")
        for more in ((), ("--json",))
    ],
    ids=" ".join,
)
def test_light_commands_load_nothing_heavy(arguments):
    assert loaded(COMMAND, arguments) & HEAVY == set()


def test_the_package_alone_loads_nothing_heavy():
    assert loaded("import genbench") & HEAVY == set()


def test_the_catalog_loads_nothing_heavy():
    assert loaded("import genbench; assert genbench.CATALOG") & HEAVY == set()


def test_operations_load_torch_and_no_statistics():
    modules = loaded("import genbench.ops")
    assert "torch" in modules  # what loads is seen at all
    assert modules & {"sklearn", "matplotlib", "scipy", "PIL", "rich", "jinja2"} == set()
    rooms = {name.split(".")[1] for name in modules if name.startswith("genbench.")}
    assert rooms <= {"ops", "errors", "files", "_build"}  # no study, no model, no loss


def test_models_and_losses_load_no_statistics():
    modules = loaded("import genbench.losses, genbench.models.adversarial.gan")
    assert modules & {"sklearn", "matplotlib", "scipy", "PIL", "rich", "jinja2"} == set()
