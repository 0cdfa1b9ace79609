"""The choice of backend: blocks, threads, environment variables, and what describe() says."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from genbench import ops
from genbench.errors import InputError
from genbench.ops.backend import (
    OPERATIONS,
    active,
    backend,
    build_info,
    describe,
    fused_for,
    load_error,
)

SEED = torch.tensor([4])


def run(code, **environment):
    """A fresh process; GENBENCH_* of this one do not reach it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GENBENCH_")}
    path = str(Path(ops.__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
    )


def last_line(finished):
    assert finished.returncode == 1, finished.stdout
    return finished.stderr.strip().splitlines()[-1]


def test_blocks_nest_and_end(kernels):
    outside = active()
    with backend("reference"):
        assert active() == "reference"
        with backend("fused"):
            assert active() == "fused"
        assert active() == "reference"
    assert active() == outside


def test_a_block_ends_at_an_error():
    outside = active()
    with pytest.raises(ZeroDivisionError), backend("reference"):
        raise ZeroDivisionError
    assert active() == outside


def test_a_block_is_its_threads_own(kernels):
    seen = []
    with backend("reference"):
        thread = threading.Thread(target=lambda: seen.append(active()))
        thread.start()
        thread.join()
    assert seen == ["fused"]


@pytest.mark.parametrize("name", ["Fused", "cuda", "", None])
def test_unknown_names(refuses, name):
    with refuses(InputError, "backend must be reference or fused", repr(name)), backend(name):
        pass


def test_what_the_kernels_serve(kernels):
    x = torch.zeros(2)
    assert fused_for("reparameterize_kl", x, x.bfloat16(), None)
    assert fused_for("normal", SEED) and not fused_for("normal", x)
    assert not fused_for("reparameterize_kl", x, x.long())
    assert not fused_for("reparameterize_kl", x.to("meta"))
    with backend("reference"):
        assert not fused_for("normal", SEED)
    seen = []
    torch.vmap(lambda row: (seen.append(fused_for("reparameterize_kl", x)), row)[1])(x)
    assert seen == [False] and fused_for("reparameterize_kl", x)


def test_describe_names_every_operation():
    rows = describe()
    assert [row["op"] for row in rows] == list(OPERATIONS)
    public = set(ops.__all__) - {"backend", "fold_seed", "modules", "reference", "scheduler"}
    assert set(OPERATIONS) == public
    for row in rows:
        assert set(row) == {"op", "backend", "why", "remedy"} and row["why"]
        assert row["backend"] in ("reference", "fused")


def test_describe_with_the_extension(kernels):
    rows = {row["op"]: row for row in describe()}
    info = build_info()
    assert load_error() is None and info is not None
    assert {row["backend"] for row in rows.values()} == {"fused"}
    assert info["instruction set in use"] in str(rows["normal"]["why"])
    with backend("reference"):
        inside = {row["op"]: row for row in describe()}
    assert inside["normal"]["why"] == "chosen for this block"


DRAW = "import torch; from genbench import ops; ops.normal(3, seed=torch.tensor([1]))"
WHICH = "from genbench.ops.backend import active, describe; print(active(), describe()[0])"


@pytest.mark.parametrize("name", ["reference", "fused"])
def test_the_environment_chooses(kernels, name):
    finished = run(WHICH, GENBENCH_BACKEND=name)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(name)
    assert ("unset GENBENCH_BACKEND" in finished.stdout) == (name == "reference")


def test_an_unknown_name_in_the_environment():
    line = last_line(run(DRAW, GENBENCH_BACKEND="fast"))
    assert line.endswith("InputError: GENBENCH_BACKEND must be reference or fused, got 'fast'")


def test_a_wrong_instruction_set_leaves_the_reference(kernels):
    line = last_line(run(DRAW, GENBENCH_INSTRUCTION_SET="mmx"))
    assert line.endswith("must be baseline, avx2 or avx512, got mmx")
    finished = run(DRAW, GENBENCH_INSTRUCTION_SET="mmx", GENBENCH_BACKEND="reference")
    assert finished.returncode == 0, finished.stderr


# What a package without extension is: the import of its module fails.
ABSENT = "import sys; sys.modules['genbench._build'] = None; "


def test_without_extension_the_reference_runs():
    finished = run(ABSENT + DRAW + "; " + WHICH)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("reference")
    assert "make env" in finished.stdout and "GENBENCH_BUILD=require pip install" in finished.stdout


def test_without_extension_fused_is_an_error():
    block = "from genbench.ops.backend import backend; backend('fused').__enter__()"
    for line in (
        last_line(run(ABSENT + DRAW, GENBENCH_BACKEND="fused")),
        last_line(run(ABSENT + block)),
    ):
        assert "no fused operations" in line and "`make env`" in line


# An extension built before `ddpm_step` was written.
OLD = """
import torch
built = torch.ops.genbench
class Old:
    def __getattr__(self, name):
        if name == "ddpm_step":
            raise AttributeError(name)
        return getattr(built, name)
torch.ops.genbench = Old()
"""


def test_an_older_extension_is_left_aside(kernels):
    finished = run(OLD + DRAW + "; " + WHICH)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("reference")
    for words in ("older than this code: it has no operation ddpm_step", "`make env`"):
        assert words in finished.stdout
    line = last_line(run(OLD + DRAW, GENBENCH_BACKEND="fused"))
    assert "no fused operations, the extension is older" in line and "`make env`" in line


def test_importing_compiles_nothing(tmp_path):
    """No compiler, no file: PATH is empty and the package's folder is left as it was."""
    package = Path(ops.__file__).parents[1]
    before = sorted(path.name for path in package.iterdir())
    finished = run(DRAW, PATH=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")
    assert finished.returncode == 0, finished.stderr
    assert sorted(path.name for path in package.iterdir()) == before
    assert list(tmp_path.iterdir()) == []
