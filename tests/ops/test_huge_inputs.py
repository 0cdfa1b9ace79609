"""More than 2^31 elements: a 32-bit index would leave the end of a tensor out, or wrap around."""

import math
from pathlib import Path

import pytest
import torch

from genbench import ops

N = 2**31 + 5
GIB = 2**30


@pytest.fixture
def memory():
    """need(gib): skips where less is free."""

    def need(gib):
        table = Path("/proc/meminfo")
        if not table.is_file():
            pytest.skip("no /proc/meminfo to ask how much memory is free")
        lines = (line.split() for line in table.read_text().splitlines())
        free = next(int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:")
        if free < gib * GIB:
            pytest.skip(f"needs {gib} GiB of free memory, there are {free / GIB:.1f}")

    return need


@pytest.mark.slow
@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_noise_ends_as_a_shard_begins(kernels, memory, law):
    memory(6)
    draw = getattr(ops, law)
    drawn = draw(N, seed=torch.tensor([7]), dtype=torch.float16)
    for first in (0, N // 2, N - 99):
        piece = draw(99, seed=torch.tensor([7, first]), dtype=torch.float16)
        assert torch.equal(drawn[first : first + 99], piece)


@pytest.mark.slow
def test_a_mean_counts_every_logit(kernels, memory):
    """log 2 for logits of 0; then five of -1e30 at the end, each a loss of 1e30."""
    memory(14)
    x = torch.zeros(N, dtype=torch.bfloat16)
    assert ops.generator_bce(fake=x).item() == pytest.approx(math.log(2), rel=1e-6)
    x[-5:] = -1e30
    loss = ops.generator_bce(fake=x.requires_grad_())
    expected = -5 * x[-1].item() / N
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    (slope,) = torch.autograd.grad(loss, x)
    rounding = 2**-8  # of bfloat16
    assert slope[0].item() == pytest.approx(-0.5 / N, rel=rounding)
    assert slope[-5:].tolist() == pytest.approx([-1 / N] * 5, rel=rounding)


@pytest.mark.slow
def test_a_norm_reaches_the_last_row(kernels, memory):
    """Two samples whose last elements are their norms, 3 and 4; the second ends beyond 2^31."""
    memory(10)
    g = torch.zeros(2, N // 2 + 1, dtype=torch.float16)
    g[:, -1] = torch.tensor([3.0, 4.0])
    penalty = ops.gradient_norm_penalty(g.requires_grad_())
    assert penalty.item() == (2**2 + 3**2) / 2
    (slope,) = torch.autograd.grad(penalty, g)  # 2 (norm - 1) / B
    assert slope[:, -1].tolist() == [2.0, 3.0]
    assert slope[0, :9].count_nonzero() == 0
