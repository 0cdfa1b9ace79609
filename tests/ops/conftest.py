"""What the tests of operations share: both backends' functions, memory layouts."""

import contextlib

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
