"""The raw operations as the public ones call them: schemas, memory, threads, instruction sets."""

import ctypes
import os
import platform
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from samples import FLOATS, OPERATIONS
from samples.bounds import BOUNDS, bound
from samples.errors import differentiate, distance, roundoff
from samples.operation import arrange
from torch.library import opcheck
from torch.utils._python_dispatch import TorchDispatchMode

from genbench import ops
from genbench.ops.backend import build_info

each_op = pytest.mark.parametrize("op", OPERATIONS.values(), ids=OPERATIONS)
pytestmark = pytest.mark.usefixtures("one_thread")
INT64 = st.integers(-(2**63), 2**63 - 1)


def outputs(op, arguments):
    """Results and slopes, in one list, without and with the usual gradients."""
    found = []
    for leaves in ({}, op.leaves(arguments, learned=False)):
        results, _, slopes = differentiate(op, lambda a: op.run(ops, a), arguments, leaves)
        found += [*(y.detach() for y in results), *slopes.values()]
    return found


class RawCalls(TorchDispatchMode):
    """Keeps the first call of each raw operation with each pattern of absent tensors."""

    def __init__(self):
        super().__init__()
        self.calls = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "genbench":
            kept = [a.clone() if isinstance(a, torch.Tensor) else a for a in args]
            absent = tuple(a is None for a in args)
            self.calls.setdefault((func, absent), tuple(kept))
        return func(*args, **(kwargs or {}))


def raw_calls(dtype, shape):
    with RawCalls() as recorder:
        for op in OPERATIONS.values():
            if op.takes_empty or 0 not in shape:
                for build in op.variants.values():
                    sample = build(shape, torch.Generator().manual_seed(1))
                    outputs(op, arrange(op, sample, dtype, "contiguous"))
    return [(raw, arguments) for (raw, _), arguments in recorder.calls.items()]


def test_schemas_and_fake_kernels(kernels):
    """All parts of opcheck, for every raw operation, with what the public functions hand it."""
    calls = raw_calls(torch.float32, (2, 3))
    for raw, arguments in calls:
        opcheck(raw, arguments)
    for dtype, shape in ((torch.bfloat16, (3,)), (torch.float64, (0, 2)), (torch.float16, (2, 0))):
        for raw, arguments in dict(raw_calls(dtype, shape)).items():
            opcheck(raw, arguments, test_utils=("test_schema", "test_faketensor"))
    registered = {
        schema.name
        for schema in torch._C._jit_get_all_schemas()
        # those of the metrics have a test file of their own, test_neighbours_kernels.py
        if "genbench::" in schema.name and "::neighbours_" not in schema.name
    }
    # one that no public function reaches has no test, and no use
    assert {raw.name().removesuffix(".default") for raw, _ in calls} == registered


@pytest.mark.skipif("asan" not in os.environ.get("LD_PRELOAD", ""), reason="`make asan` runs it")
def test_the_sanitizers_watch_these_kernels(kernels):
    info = build_info()
    assert info is not None
    library = Path(info["library"])
    assert library.parents[1].name == "asan"
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    assert [name for name in loaded if "/_ops." in name] == [str(library)]
    assert all(check in library.read_bytes() for check in (b"__asan_report_store", b"__ubsan_h"))


@contextmanager
def poisoned(byte):
    """The C library fills all memory that it hands out with `byte`: kernels' outputs too, which
    torch.utils.deterministic.fill_uninitialized_memory does not reach."""
    perturb, mallopt = -6, ctypes.CDLL(None).mallopt  # M_PERTURB of <malloc.h>
    if mallopt(perturb, byte ^ 0xFF) != 1:
        pytest.skip("another allocator than glibc's, such as a sanitizer's, takes no poison")
    try:
        for size in (5_000, 100_000):  # a smaller block comes unfilled from a cache at times
            assert (torch.empty(size, dtype=torch.uint8) == byte).all()
        yield
    finally:
        mallopt(perturb, 0)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="M_PERTURB is glibc's")
@each_op
def test_uninitialised_memory_is_never_read(kernels, op):
    """A gap in a result would show one of two poisons; 0xfefe is a NaN in float16."""
    for sample in op.samples():
        for dtype in FLOATS:
            arguments = arrange(op, sample, dtype, "contiguous")
            plain = outputs(op, arguments)
            for byte in (0xFE, 0x40):
                with poisoned(byte):
                    found = outputs(op, arguments)
                for a, b in zip(found, plain, strict=True):
                    assert torch.equal(a, b)


@each_op
@pytest.mark.parametrize("shape", [(1, 100_003), (300, 1000), (70_000, 2)], ids=str)
def test_threads_do_not_change_a_bit(kernels, op, shape):
    if op.name == "gradient_penalty":
        pytest.skip("its critic's sums are torch's own, which threads change")
    before = torch.get_num_threads()
    try:
        for i, build in enumerate(op.variants.values()):
            sample = build(shape, torch.Generator().manual_seed(2))
            arguments = arrange(op, sample, FLOATS[i % len(FLOATS)], "contiguous")
            found = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                found.append(outputs(op, arguments))
            for one, two, three in zip(*found, strict=True):
                assert torch.equal(one, two) and torch.equal(one, three)
    finally:
        torch.set_num_threads(before)


SWEEP = f"""
sys.path.insert(0, {str(Path(__file__).parent)!r})
torch.set_num_threads(1)
from samples.sweep import measure
out = {{place: error.units for place, error in measure("public", ["contiguous"]).items()}}
"""


def test_every_instruction_set(in_instruction_set):
    errors = in_instruction_set(SWEEP)
    assert len(errors) == sum(len(quantities) for quantities in BOUNDS.values()) * len(FLOATS)
    for place, units in errors.items():
        assert units <= bound(*place), (place, units)


shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4) | st.tuples(
    st.integers(1, 2), st.integers(1, 1100)
)


@each_op
@given(shape=shapes, draw=st.integers(0, 2**32), seed=st.tuples(INT64, INT64), data=st.data())
def test_fused_equals_reference(op, shape, draw, seed, data):
    """Both within the bound of the truth, so within two bounds of each other."""
    build = data.draw(st.sampled_from([*op.variants.values()]))
    dtype = data.draw(st.sampled_from(FLOATS))
    arguments = build(tuple(shape), torch.Generator().manual_seed(draw))
    if "seed" in arguments:
        arguments["seed"] = torch.tensor(seed)
    arguments = arrange(op, arguments, dtype, "contiguous")
    fused, plain = op.run(ops, arguments), op.run(ops.reference, arguments)
    for name, a, b in zip(op.results, fused, plain, strict=True):
        unit = roundoff(dtype if op.roundoff_of_data else a.dtype)
        assert distance(a, b.double(), unit).units <= 2 * bound(op.name, name, dtype)
