"""Bars of `sparse_autoencoder`, on shapes of 16 x 16: SYSTEMS's table "Autoencoders"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor

from genbench.data import Dataset, open_dataset
from genbench.studies.bars.bar import Bar, at_least, at_most
from genbench.studies.bars.lab import Lab

STEPS = 1200
# the bias keeps the plain code's numbers awake: else a third of them never speaks
CONFIG: dict[str, Any] = {"latent_dim": 128, "bias": 3.0, "learning_rate": 5e-4}
SPARSITY, DECAY = 0.25, 1.0  # of one test error
SMALL = 0.05  # of the deviation of a code's numbers


class Judged(NamedTuple):
    """share: of the test codes' numbers that are small. mse: of test pictures."""

    share: float
    mse: float


def bars(lab: Lab) -> Iterator[Bar]:
    """Codes with an L1 penalty, with none, and with weight decay that costs as much."""
    data = open_dataset("shapes", size=16)
    found = {
        (seed, kind): _judged(lab, data, seed, **penalty)
        for seed in lab.seeds
        for kind, penalty in {
            "sparse": {"sparsity": SPARSITY},
            "plain": {"sparsity": 0.0},
            "decay": {"sparsity": 0.0, "decay": DECAY},
        }.items()
    }
    sparse, plain, decay = (
        [found[seed, kind] for seed in lab.seeds] for kind in ("sparse", "plain", "decay")
    )
    table = {
        f"{kind} {name}": sum(getattr(row, name) for row in rows) / len(rows)
        for kind, rows in (("sparse", sparse), ("plain", plain), ("weight decay", decay))
        for name in Judged._fields
    }
    yield at_least("share of small numbers", [row.share for row in sparse], 0.5, **table)
    pairs = list(zip(sparse, plain, strict=True))
    yield at_least("share over the plain one's", [a.share / b.share for a, b in pairs], 2)
    yield at_most("test MSE over the plain one's", [a.mse / b.mse for a, b in pairs], 1.25)


def _judged(lab: Lab, data: Dataset, seed: int, **penalty: Any) -> Judged:
    config = {**CONFIG, **penalty}
    model = lab.train("sparse_autoencoder", data, seed=seed, steps=STEPS, **config)
    x = data.test.all().x.to(lab.device)
    z: Tensor = model.encode(x)
    share = (z.abs() < SMALL * z.std()).double().mean().item()
    return Judged(share, (model.reconstruct(x) - x).double().square().mean().item())
