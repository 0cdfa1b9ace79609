"""The fused and the reference backend train alike, step by step, before chaos sets in."""

import pytest
import torch

from genbench import create_model
from genbench.data import Stream, mixture
from genbench.ops.backend import backend, load_error
from genbench.train.loop import Trainer, global_seed

LOSSES = ["non_saturating", "least_squares", "wasserstein_gp", "relativistic+r1+r2"]


def curve(name, loss, dtype, steps):
    """(steps, phases) losses of a run under one backend."""
    ring = mixture("ring8")
    with backend(name), global_seed(0):
        model = create_model("gan", data_shape=(2,), width=32, depth=2, loss=loss)
        model.to(dtype)  # pyright: ignore[reportAttributeAccessIssue]
        stream = Stream(ring.sample, batch_size=64, seed=1, scale=ring.scale, dtype=dtype)
        trainer = Trainer(model, stream, steps=steps, seed=2)
        found = []
        for _ in range(steps):
            terms = trainer.step()
            found.append([terms["critic/loss"].item(), terms["generator/loss"].item()])
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.skipif(load_error() is not None, reason="no extension")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("dtype", "steps", "tolerance"),
    [
        (torch.float64, 400, 1e-9),  # rounding of 1e-16, amplified by 400 steps
        (torch.float32, 50, 1e-5),  # noise agrees to 5e-7, amplified by 50 steps
    ],
)
def test_curves_agree(loss, dtype, steps, tolerance):
    fused, reference = (curve(name, loss, dtype, steps) for name in ("fused", "reference"))
    assert (fused - reference).abs().max() <= tolerance
    assert fused.std(dim=0).min() > 1e-3  # the run moves: equality is not that of constants
