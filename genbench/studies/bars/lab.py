"""Where bars train their systems: named models on data, from seeds, through the one loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from genbench.data.datasets import Dataset
from genbench.models import create_model
from genbench.studies.cells import derived_seed
from genbench.train.loop import Batches, Trainer, global_seed
from genbench.train.options import Options

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Lab:
    """quick: a tenth of the steps, for the invariants alone. say: hears what is at work."""

    seeds: tuple[int, ...] = SEEDS
    quick: bool = False
    device: str = "cpu"
    say: Callable[[str], None] = lambda text: None

    def steps(self, count: int) -> int:
        """`count`, or a tenth of it."""
        return max(1, count // 10) if self.quick else count

    def train(
        self,
        name: str,
        data: Dataset | Callable[[int], Batches],
        *,
        seed: int,
        steps: int,
        batch_size: int = 64,
        data_shape: tuple[int, ...] | None = None,
        options: Options | None = None,
        **config: Any,
    ) -> Any:
        """The model `name` after `steps` steps, in evaluation mode.

        data: a data set, whose shape the model gets, or a function of a seed that makes batches of
        `data_shape`. One seed means the same first weights, batches and noise for every model.
        options: of the training; the model's weights are their average where they ask for one.
        """
        seeds = {purpose: derived_seed(seed, purpose) for purpose in ("weights", "data", "noise")}
        if isinstance(data, Dataset):
            data_shape = data.data_shape
            batches: Batches = data.to(self.device).batches(
                batch_size=batch_size, seed=seeds["data"]
            )
        else:
            batches = data(seeds["data"])
        assert data_shape is not None
        with global_seed(seeds["weights"]):
            model: Any = create_model(name, data_shape=data_shape, **config)
        model.to(self.device)
        steps = self.steps(steps)
        trainer = Trainer(model, batches, steps=steps, seed=seeds["noise"], options=options)
        self.say(f"{name}, seed {seed}: {steps} steps")
        for _ in range(steps):
            trainer.step()
        with trainer.evaluated():
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(weights)
        return model.eval()

    def rng(self, seed: int, purpose: str) -> torch.Generator:
        """A CPU generator for one purpose."""
        return torch.Generator().manual_seed(derived_seed(seed, purpose))
