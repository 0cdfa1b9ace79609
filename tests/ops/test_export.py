"""torch.export of the operations that inference uses: the kernels stay in the saved program."""

import pytest
import torch
from torch import nn

from genbench import ops

SEED = torch.tensor([5, 3])


class Inference(nn.Module):
    """One call of each, with coefficients of every kind."""

    def forward(self, x, y, row, seed):
        bar, sigma = row.mean(), row / 2
        z, kl = ops.reparameterize_kl(x, y, seed=seed)
        x_t, noise = ops.ddpm_add_noise(x, row, seed=seed)
        again, _ = ops.ddpm_add_noise(x, bar, noise=y)
        step = ops.ddpm_step(x_t, noise, alpha=0.9, alpha_bar=bar, sigma=sigma, seed=seed)
        last = ops.ddpm_step(again, noise, alpha=row, alpha_bar=0.5, sigma=0)
        between = ops.interpolate(real=step, fake=last, seed=seed)
        return (
            z,
            kl,
            x_t,
            noise,
            again,
            step,
            last,
            ops.interpolate(real=between, fake=x, alpha=row),
        )


@pytest.fixture
def arguments(rng):
    x, y = torch.randn(2, 4, 3, 5, generator=rng)
    return x, y, torch.rand(4, generator=rng), SEED


def exported(arguments, **options):
    with torch.no_grad():
        return torch.export.export(Inference(), arguments, **options)


def same(program, arguments):
    with torch.no_grad():
        for got, wanted in zip(program(*arguments), Inference()(*arguments), strict=True):
            assert torch.equal(got, wanted)


def kernels_of(program):
    """Names of the raw operations in a program, each once."""
    calls = (str(node.target) for node in program.graph.nodes if node.op == "call_function")
    return sorted({name.split(".")[1] for name in calls if name.startswith("genbench.")})


USED = [
    "ddpm_add_noise",
    "ddpm_draw_noise",
    "ddpm_step",
    "interpolate",
    "reparameterize_kl_forward",
]


def test_a_program_computes_what_the_calls_do(either, arguments):
    program = exported(arguments)
    same(program.module(), arguments)
    others = (*(2 * x for x in arguments[:2]), arguments[2] / 2, torch.tensor([-9, 2**40]))
    same(program.module(), others)  # new data and noise, not those it was traced with
    assert kernels_of(program) == (USED if either == "fused" else [])


def test_a_saved_program_loads(kernels, arguments, tmp_path):
    torch.export.save(exported(arguments), tmp_path / "step.pt2")
    program = torch.export.load(tmp_path / "step.pt2")
    same(program.module(), arguments)


def test_any_batch_size(either, arguments):
    batch = torch.export.Dim("batch", min=2)
    shapes = ({0: batch}, {0: batch}, {0: batch}, None)
    program = exported(arguments, dynamic_shapes=shapes)
    longer = [torch.cat([x, x, x]) for x in arguments[:3]]
    same(program.module(), (*longer, SEED))
    assert kernels_of(program) == (USED if either == "fused" else [])
