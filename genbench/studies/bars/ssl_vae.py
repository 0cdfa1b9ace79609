"""Bar of `ssl_vae`: digits with 10 labels a class, against its own classifier on labels alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.data import Epochs, Split, open_dataset
from genbench.protocol import Examples
from genbench.studies.bars.bar import Bar, wins
from genbench.studies.bars.lab import Lab

DRAWS, A_CLASS, STEPS, HALF = 20, 10, 1000, 32
CONFIG: dict[str, Any] = {"likelihood": "gaussian"}


class PartlyLabelled:
    """Endless batches: HALF rows of those labelled, then HALF of all, whose labels are -1."""

    def __init__(self, train: Split, labelled: Tensor, seed: int) -> None:
        assert train.labels is not None
        known = Split(train.x[labelled], train.labels[labelled], levels=train.levels)
        every = Split(train.x, torch.full_like(train.labels, -1), levels=train.levels)
        self._parts = [Epochs(part, batch_size=HALF, seed=seed) for part in (known, every)]

    def __next__(self) -> Examples:
        known, every = (next(part) for part in self._parts)
        assert known.labels is not None and every.labels is not None
        return Examples(torch.cat([known.x, every.x]), torch.cat([known.labels, every.labels]))

    def state_dict(self) -> dict[str, Any]:
        """Positions of both parts."""
        return {str(number): part.state_dict() for number, part in enumerate(self._parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        for number, part in enumerate(self._parts):
            part.load_state_dict(state[str(number)])


def bars(lab: Lab) -> Iterator[Bar]:
    """Test accuracy of one classifier with and without the bound, 20 draws of labels."""
    data = open_dataset("digits")
    test = data.test.to(lab.device).all()
    assert test.labels is not None and data.train.labels is not None
    gains, plain = [], []
    for draw in range(DRAWS):
        rows = few_of_each(data.train.labels, A_CLASS, lab.rng(draw, "labels"))
        accuracies = []
        for weight in (1.0, 0.0):
            model = lab.train(
                "ssl_vae",
                lambda seed, rows=rows: PartlyLabelled(data.train, rows, seed),
                seed=draw,
                steps=STEPS,
                data_shape=data.data_shape,
                bound_weight=weight,
                **CONFIG,
            )
            hits = model.classify(test.x).argmax(1) == test.labels
            accuracies.append(hits.double().mean().item())
        gains.append(accuracies[0] - accuracies[1])
        plain.append(accuracies[1])
    yield wins(
        "test accuracy at 10 labels a class above labels alone, 20 draws",
        gains,
        labels_alone=sum(plain) / DRAWS,
    )


def few_of_each(labels: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Rows, `count` of each class, drawn without replacement."""
    order = torch.randperm(len(labels), generator=rng)
    return torch.cat([order[labels[order] == y][:count] for y in labels.unique()])
