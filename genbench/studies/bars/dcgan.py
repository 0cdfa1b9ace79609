"""Bars of `dcgan`, on shapes of 16 x 16 in three colours: SYSTEMS.md, "Adversarial: systems"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from genbench.data.shapes import shapes
from genbench.studies.bars.bar import Bar, at_least, at_most, wins
from genbench.studies.bars.lab import Lab
from genbench.studies.bars.shape_judges import JUDGE_STEPS, ShapesJudge

COLOURS = ("red", "green", "blue")
RED, BLUE, DISC, SQUARE = 0, 2, 0, 1
STEPS, BATCH = 3000, 64
CONFIG: dict[str, Any] = {"width": 16, "depth": 2, "latent_dim": 32, "learning_rate": 5e-4}
TRIALS, EXEMPLARS, POOL = 300, 3, 6000  # the paper's figure 7 takes the mean of three
DRAWS, LABELS, RIDGE = 20, 10, 1.0  # of a probe: pictures a class, and its weight decay


def bars(lab: Lab) -> Iterator[Bar]:
    """Arithmetic of latents, where linear layers are, and what the critic's features know."""
    data = shapes(size=16, colours=COLOURS)
    judge = ShapesJudge(data, colours=len(COLOURS), steps=lab.steps(JUDGE_STEPS))
    sizes: dict[str, Any] = {"batch_size": BATCH, **CONFIG}
    models = {s: lab.train("dcgan", data, seed=s, steps=STEPS, **sizes) for s in lab.seeds}
    found = [red_squares(m, judge, lab.rng(seed, "latents")) for seed, m in models.items()]
    yield at_least(
        "red disc - blue disc + blue square reads red square",
        [share for share, _ in found],
        0.5,
        chance=1 / (len(COLOURS) * len(data.classes)),
        red_squares_among_samples=sum(base for _, base in found) / len(found),
        classifier_on_real=judge.accuracy,
    )
    yield at_most(
        "linear layers but the critic's last", [linear_layers(m) - 1 for m in models.values()], 0
    )
    for seed, model in models.items():
        start = lab.train("dcgan", data, seed=seed, steps=0, **sizes)
        gains, ours, theirs = probe(lab, data, model, start, seed)
        yield wins(
            f"linear probe of the critic above an untrained one's, 20 draws of seed {seed}",
            gains,
            trained=ours,
            untrained=theirs,
        )


@torch.no_grad()
def red_squares(model: Any, judge: ShapesJudge, rng: torch.Generator) -> tuple[float, float]:
    """Share of sums of latents that read as a red square, and of samples that do."""
    z = torch.randn(POOL, model.config.latent_dim, generator=rng)
    kind, colour = judge.read(model.generator(z))
    terms = []
    for want in ((DISC, RED), (DISC, BLUE), (SQUARE, BLUE)):
        rows = z[(kind == want[0]) & (colour == want[1])]
        if not len(rows):
            return 0.0, 0.0
        drawn = torch.randint(len(rows), (TRIALS, EXEMPLARS), generator=rng)
        terms.append(rows[drawn].mean(1))
    found, paint = judge.read(model.generator(terms[0] - terms[1] + terms[2]))
    shares = [
        ((k == SQUARE) & (c == RED)).float().mean().item()
        for k, c in ((found, paint), (kind, colour))
    ]
    return shares[0], shares[1]


def linear_layers(model: nn.Module) -> int:
    """How many fully connected layers there are."""
    return sum(isinstance(layer, nn.Linear) for layer in model.modules())


def probe(
    lab: Lab, data: Any, model: Any, start: Any, seed: int
) -> tuple[list[float], float, float]:
    """Gains of 20 draws, mean accuracies of the shape read from features, trained and not."""
    train, test = data.train.all(), data.test.all()
    accuracies = []
    for player in (model, start):
        known, new = (features(player, split.x) for split in (train, test))
        rng = lab.rng(seed, "probe")  # the same draws for both
        accuracies.append([
            ridge(known, train.labels, new, test.labels, rng, len(data.classes))
            for _ in range(DRAWS)
        ])  # fmt: skip
    ours, theirs = accuracies
    gains = [a - b for a, b in zip(ours, theirs, strict=True)]
    return gains, sum(ours) / DRAWS, sum(theirs) / DRAWS


@torch.no_grad()
def features(model: Any, x: Tensor) -> Tensor:
    """The critic's last hidden layer, each number of mean 0 and deviation 1; (n, features)."""
    found = torch.cat([model.critic.features(block) for block in x.split(500)]).double()
    return (found - found.mean(0)) / found.std(0).clamp(min=1e-6)


def ridge(
    known: Tensor, labels: Tensor, new: Tensor, wanted: Tensor, rng: torch.Generator, classes: int
) -> float:
    """Accuracy on `new` of least squares with weight decay on a few labelled rows of `known`."""
    rows = torch.cat([
        members[torch.randperm(len(members), generator=rng)[:LABELS]]
        for members in ((labels == k).nonzero()[:, 0] for k in range(classes))
    ])  # fmt: skip
    x, y = known[rows], nn.functional.one_hot(labels[rows], classes).double()
    gram = x @ x.T + RIDGE * len(rows) * torch.eye(len(rows), dtype=x.dtype)
    scores = new @ x.T @ torch.linalg.solve(gram, y - y.mean(0)) + y.mean(0)
    return (scores.argmax(1) == wanted).double().mean().item()
