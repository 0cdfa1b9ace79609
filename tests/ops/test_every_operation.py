"""Each public operation x dtype x layout, by its samples: values, slopes, dtypes, memory."""

from functools import partial

import pytest
import torch
from samples import FLOATS, LAYOUTS, OPERATIONS
from samples.bounds import BOUNDS, bound
from samples.errors import compare
from samples.operation import COUNT, EMPTY, arrange, exact
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.checkpoint import checkpoint

from genbench import ops
from genbench.ops.backend import OPERATIONS as PUBLIC

each_op = pytest.mark.parametrize("op", OPERATIONS.values(), ids=OPERATIONS)
WITH_DATA = {name: op for name, op in OPERATIONS.items() if op.data}
each_of_data = pytest.mark.parametrize("op", WITH_DATA.values(), ids=WITH_DATA)
each_dtype = pytest.mark.parametrize("dtype", FLOATS, ids=str)
pytestmark = pytest.mark.usefixtures("one_thread")


def check(op, api, arguments, dtype, where):
    for quantity, error in compare(op, api, arguments, dtype).items():
        assert error.units <= bound(op.name, quantity, dtype), (*where, quantity, error)


def test_no_operation_is_left_out():
    assert set(OPERATIONS) == set(PUBLIC) == set(BOUNDS)
    for op in OPERATIONS.values():
        assert len(list(op.samples())) == COUNT >= 30


@each_op
@each_dtype
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in EMPTY])
def test_values_and_slopes(op, dtype, layout):
    for i, sample in enumerate(op.samples()):
        arguments = arrange(op, sample, dtype, layout)
        check(op, ops, arguments, dtype, (i, "public"))
        check(op, ops.reference, arguments, dtype, (i, "reference"))


@each_op
@each_dtype
@pytest.mark.parametrize("layout", EMPTY)
def test_nothing_at_all(api, op, dtype, layout):
    for i, sample in enumerate(op.samples()):
        arguments = arrange(op, sample, dtype, layout)
        if op.takes_empty:
            check(op, api, arguments, dtype, (i,))
        else:
            with pytest.raises(ValueError, match="must not be empty"):
                op.run(api, arguments)


@each_op
@each_dtype
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in EMPTY])
def test_results_and_inputs(api, op, dtype, layout):
    """Shapes and dtypes are the oracle's and the contract's, memory is new, inputs are left."""
    wide = torch.promote_types(dtype, torch.float32)
    for sample in op.samples():
        arguments = arrange(op, sample, dtype, layout)
        tensors = {n: t for n, t in arguments.items() if isinstance(t, torch.Tensor)}
        before = {name: t.clone() for name, t in tensors.items()}
        results, wanted = op.run(api, arguments), op.expected(exact(op, arguments))
        for kind, got, want in zip(op.results.values(), results, wanted, strict=True):
            assert got.dtype == (dtype if kind == "like" else wide)
            assert got.shape == want.shape
            if got is not arguments.get("noise"):  # it is handed back
                steps = zip(got.stride(), got.shape, strict=True)
                assert all(step for step, size in steps if size > 1), "nobody could write in place"
                starts = [t.untyped_storage().data_ptr() for t in tensors.values() if t.numel()]
                assert got.untyped_storage().data_ptr() not in starts
        assert all(torch.equal(tensors[name], before[name]) for name in tensors)


def variants(op, dtype=torch.float64):
    """A call of each variant, small and in one dtype, rows included."""
    for build in op.variants.values():
        arguments = arrange(
            op, build((2, 3), torch.Generator().manual_seed(3)), dtype, "contiguous"
        )
        yield arguments | {n: t.to(dtype) for n, t in op.leaves(arguments).items()}


@each_op
def test_derivatives_of_both_orders(either, op):
    """Gradient and Hessian against differences, along random directions."""
    for arguments in variants(op):
        leaves = op.leaves(arguments)
        if not leaves:
            continue

        def call(*values, names=tuple(leaves), arguments=arguments):
            results = op.run(ops, arguments | dict(zip(names, values, strict=True)))
            return tuple(y for y in results if y.requires_grad)

        values = [t.requires_grad_() for t in leaves.values()]
        assert gradcheck(call, values, fast_mode=True)
        assert gradgradcheck(call, values, fast_mode=True)


@each_of_data
def test_a_checkpoint_keeps_the_slopes(either, op):
    """The second forward pass draws the noise of the first, though it draws its key again."""
    for arguments in variants(op):
        leaves = {name: t.requires_grad_() for name, t in op.leaves(arguments).items()}
        unseeded = {name: value for name, value in arguments.items() if name != "seed"}

        def loss(*values, names=tuple(leaves), arguments=unseeded):
            results = op.run(ops, arguments | dict(zip(names, values, strict=True)))
            return torch.stack([y.square().sum() for y in results if y.requires_grad]).sum()

        slopes = []
        for run in (loss, partial(checkpoint, loss, use_reentrant=False)):
            torch.manual_seed(3)
            total = run(*leaves.values())
            torch.manual_seed(4)  # what a program draws between the two passes
            slopes.append(torch.autograd.grad(total, [*leaves.values()]))
        assert all(torch.equal(*pair) for pair in zip(*slopes, strict=True))


@each_of_data
def test_sparse_tensors_are_refused(api, op, refuses):
    for arguments in variants(op):
        for name in op.leaves(arguments).keys() & set(op.data):
            with refuses(TypeError, name, "strided", "sparse_coo"):
                op.run(api, arguments | {name: arguments[name].to_sparse()})
