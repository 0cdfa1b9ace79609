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


@pytest.fixture(scope="session")
def run_with():
    """run(instruction_set, script, *arguments): a Python process held to an instruction set."""

    def run(instruction_set, script, *arguments):
        environment = os.environ | {"GENBENCH_INSTRUCTION_SET": instruction_set}
        environment["PYTHONPATH"] = str(Path(ops.__file__).parents[2])
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run


@pytest.fixture(scope="session", params=["baseline", "avx2", "avx512"])
def in_instruction_set(request, run_with, tmp_path_factory):
    """compute(script): the dictionary `out` that a script fills in a process held to one set."""
    if active() != "fused":
        pytest.skip("the kernels do not run")
    from genbench import _build

    if request.param not in _build.instruction_sets():
        pytest.skip(f"{request.param} does not run here")

    def compute(script):
        path = tmp_path_factory.mktemp(request.param) / "out.pt"
        before = "import sys, torch; from genbench.ops.extension import instruction_set; out = {}"
        after = "torch.save((instruction_set(), out), sys.argv[1])"
        finished = run_with(request.param, f"{before}\n{script}\n{after}", path)
        assert finished.returncode == 0, finished.stderr
        used, out = torch.load(path)
        assert used == request.param
        return out

    return compute
