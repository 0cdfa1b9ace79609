"""What the tests of operations share: both backends' functions, layouts, instruction sets."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genbench import ops
from genbench.ops.backend import active, backend, load_error

LAYOUTS = {
    "contiguous": lambda t: t.contiguous(),
    "strided": lambda t: torch.stack([t, -t], dim=-1)[..., 0],
    "transposed": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
    "channels_last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "expanded": lambda t: t[:, :1].expand_as(t),
    "size_one": lambda t: t[:1],
}


@pytest.fixture(params=["public", "reference"])
def api(request):
    """The public functions, and the reference formulas under the same names."""
    return ops if request.param == "public" else ops.reference


@pytest.fixture(params=LAYOUTS)
def layout(request):
    """Puts a tensor of four dimensions into a memory layout."""
    return LAYOUTS[request.param]


@pytest.fixture
def kernels():
    """The raw operations of the extension."""
    if active() != "fused":
        pytest.skip(load_error() or "GENBENCH_BACKEND=reference: the kernels do not run")
    return torch.ops.genbench


@pytest.fixture(params=["fused", "reference"])
def either(request):
    """Runs the public functions by either backend."""
    if request.param == "fused":
        request.getfixturevalue("kernels")
    with backend(request.param):
        yield request.param


@pytest.fixture(scope="module")
def one_thread():
    """For calls so small that threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(7)


@pytest.fixture
def refuses():
    """Asserts that a call is refused in one line that holds every one of `words`."""

    @contextlib.contextmanager
    def check(error, *words):
        with pytest.raises(error) as caught:
            yield
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert word in message

    return check


def held_to(instruction_set):
    """The environment of a Python process held to an instruction set."""
    paths = {"PYTHONPATH": str(Path(ops.__file__).parents[2])}
    return os.environ | paths | {"GENBENCH_INSTRUCTION_SET": instruction_set}


@pytest.fixture
def run_with():
    """run(instruction_set, script): a Python process held to an instruction set."""

    def run(instruction_set, script):
        command = [sys.executable, "-c", script]
        environment = held_to(instruction_set)
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run


WORKER = """
import sys, torch
from genbench.ops.extension import instruction_set
for path in map(str.strip, sys.stdin):
    names = {"out": {}, "sys": sys, "torch": torch}
    exec(open(path + ".py").read(), names)
    torch.save((instruction_set(), names["out"]), path)
    print(path, flush=True)
"""


@pytest.fixture(scope="session", params=["baseline", "avx2", "avx512"])
def in_instruction_set(request, tmp_path_factory):
    """compute(script): the dictionary `out` that a script fills in a process held to one set. All
    scripts share the process: starting torch takes longer than most of them."""
    if active() != "fused":
        pytest.skip("the kernels do not run")
    from genbench import _build

    if request.param not in _build.instruction_sets():
        pytest.skip(f"{request.param} does not run here")
    folder = tmp_path_factory.mktemp(request.param)
    errors = folder / "errors.txt"
    with (
        errors.open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env=held_to(request.param),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as worker,
    ):
        scripts, answers = worker.stdin, worker.stdout
        assert scripts is not None and answers is not None

        def compute(script):
            path = folder / f"{len(list(folder.iterdir()))}.pt"
            Path(f"{path}.py").write_text(script)
            print(path, file=scripts, flush=True)
            assert answers.readline().strip() == str(path), errors.read_text()
            used, out = torch.load(path)
            assert used == request.param
            return out

        yield compute
