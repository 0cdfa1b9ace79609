"""What a code knows of classes: a linear classifier on it, a network that starts as its encoder.

Probes: Alain and Bengio 2016, arXiv 1610.01644. Initialisation: Erhan et al. 2010, JMLR 11:625-660.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genbench.data import Dataset, Epochs, Split
from genbench.errors import InputError
from genbench.protocol import Batch, OptimizerSpec
from genbench.studies.cells import derived_seed
from genbench.train.loop import Trainer, global_seed

INVERSE_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # of the logistic regression
FOLDS = 5  # that choose among them


class LinearProbe(NamedTuple):
    """Test accuracies, 0..1, one a draw of labels: of x itself, and of its code."""

    raw: list[float]
    code: list[float]


class FineTuned(NamedTuple):
    """Test accuracies, 0..1, one a draw of labels: of fresh weights, and of the encoder's."""

    scratch: list[float]
    initialised: list[float]


def linear_probe(
    model: Any, data: Dataset, *, per_class: int = 10, draws: int = 20, seed: int = 0
) -> LinearProbe:
    """Logistic regression on x and on model.encode(x), from the same labels in each draw.

    Both are centred, and scaled by one number, over all training rows; the penalty is chosen by
    cross-validation among the labelled rows. Raises InputError where there are no labels, fewer of
    a class than per_class, or no `encode`.
    """
    if not hasattr(model, "encode"):
        raise InputError(f"model: must have encode to be probed, got {type(model).__name__}")
    train, test = data.train.all(), data.test.all()
    found = LinearProbe([], [])
    sides = [
        _scaled(code(train.x), code(test.x))
        for code in (lambda x: x.flatten(1), lambda x: model.encode(x))
    ]
    for rows in label_draws(data, per_class, draws, seed):
        for accuracies, (known, asked) in zip(found, sides, strict=True):
            classifier = _regression(known[rows], _labels(data.train)[rows], per_class)
            accuracies.append(float(classifier.score(asked.numpy(), _labels(data.test).numpy())))
    return found


def fine_tune(
    model: Any,
    data: Dataset,
    *,
    per_class: int = 10,
    draws: int = 20,
    seed: int = 0,
    steps: int = 100,
    learning_rate: float = 3e-3,
) -> FineTuned:
    """A linear layer behind the model's encoder, all of it trained on the labels of each draw.

    Once from fresh weights and once from the model's, with the same last layer, batches (all
    labelled rows) and steps. The encoder must give a tensor (n, ...). Errors as `linear_probe`'s.
    """
    if not isinstance(getattr(model, "encoder", None), nn.Module):
        raise InputError(f"model: must have an encoder to start from, got {type(model).__name__}")
    found = FineTuned([], [])
    for draw, rows in enumerate(label_draws(data, per_class, draws, seed)):
        with global_seed(derived_seed(draw, f"fresh:{seed}")):
            fresh = type(model).build(**dataclasses.asdict(model.config)).encoder
        for accuracies, encoder in zip(found, (fresh, model.encoder), strict=True):
            with global_seed(derived_seed(draw, f"head:{seed}")):
                network = Classifier(encoder, data, learning_rate)
            batches = Epochs(_some(data.train, rows), batch_size=len(rows), seed=draw)
            trainer = Trainer(network, batches, steps=steps, seed=draw)
            for _ in range(steps):
                trainer.step()
            accuracies.append(network.eval().accuracy(data.test))
    return found


def label_draws(data: Dataset, per_class: int, draws: int, seed: int) -> Iterator[Tensor]:
    """Training rows, int64 (classes * per_class,), drawn without replacement, for each draw."""
    labels = _labels(data.train)
    counts = labels.bincount()
    if not 2 <= per_class <= counts.min():
        raise InputError(
            f"per_class: must be from 2 to {counts.min()}, the rows of the rarest class, got "
            f"{per_class}"
        )
    for draw in range(draws):
        rng = torch.Generator().manual_seed(derived_seed(draw, f"labels:{seed}"))
        order = torch.randperm(len(labels), generator=rng)
        yield torch.cat([order[labels[order] == y][:per_class] for y in range(len(counts))])


class Classifier(nn.Module):
    """x (n, *data_shape) -> logits (n, classes): a copy of an encoder, a linear layer behind it."""

    phases: tuple[str, ...] = ("model",)

    def __init__(self, encoder: nn.Module, data: Dataset, learning_rate: float) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self._learning_rate = learning_rate
        with torch.no_grad():
            width = self.encoder(data.train.take(slice(1)).x).flatten(1).shape[1]
        self.head = nn.Linear(width, int(_labels(data.train).max()) + 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x).flatten(1))

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """All."""
        return self.parameters()

    def optimizer(self, phase: str) -> OptimizerSpec:
        """Adam, its rate falling to 0."""
        return OptimizerSpec("adam", self._learning_rate, schedule="cosine")

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Cross entropy, nats."""
        assert batch.labels is not None
        return {"loss": nn.functional.cross_entropy(self(batch.x), batch.labels)}

    def after_update(self, phase: str) -> None:
        """Nothing follows an update."""

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """A classifier makes no samples."""
        raise NotImplementedError("a classifier makes no samples")

    @torch.no_grad()
    def accuracy(self, split: Split) -> float:
        """Share of rows whose class is the likeliest, 0..1."""
        return (self(split.all().x).argmax(dim=1) == _labels(split)).double().mean().item()


def _labels(split: Split) -> Tensor:
    if split.labels is None:
        raise InputError("data: must have labels to probe a code, got none")
    return split.labels


def _some(split: Split, rows: Tensor) -> Split:
    return Split(split.x[rows], _labels(split)[rows], levels=split.levels)


def _scaled(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Both centred and scaled so that the training rows' numbers have deviation 1 in the mean."""
    mean, std = train.mean(dim=0), (train - train.mean(dim=0)).std()
    return (train - mean) / std, (test - mean) / std


def _regression(z: Tensor, labels: Tensor, per_class: int) -> Any:
    """A logistic regression of labels (n,) on z (n, d), its penalty by cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from threadpoolctl import threadpool_limits

    folds = min(FOLDS, per_class)
    choices = {"C": list(INVERSE_PENALTIES)}
    search = GridSearchCV(LogisticRegression(max_iter=2000), choices, cv=folds)
    with threadpool_limits(1):  # small matrices: on a busy machine threads cost ten times the work
        return search.fit(z.numpy(), labels.numpy())
