"""What bars on shapes share: a classifier of shape and colour, Frechet distances, baselines.

Nothing pretrained knows these pictures, so the classifier is trained on fresh ones: features of 64
numbers, and its own accuracy to stand beside whatever it says.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genbench.base import BaseModel
from genbench.data.datasets import Dataset
from genbench.metrics.frechet import frechet_distance
from genbench.protocol import Batch
from genbench.train.loop import Trainer, global_seed

JUDGE_STEPS, BATCH, SEED = 600, 64, 17
_BLOCK = 500  # pictures at a time


@dataclass(frozen=True)
class _Config:
    data_shape: tuple[int, ...]
    kinds: int
    colours: int
    learning_rate: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: str = "cosine"


class ShapesNet(BaseModel):
    """Pictures (n, C, size, size) in [-1, 1], size a multiple of 8 -> features (n, 64), logits."""

    name = "shapes_classifier"
    Config = _Config

    def __init__(self, config: _Config) -> None:
        super().__init__(config)
        channels, side = config.data_shape[0], config.data_shape[1] // 8
        planes = (channels, 16, 32, 32)
        layers: list[nn.Module] = []
        for i in range(3):
            layers += [nn.Conv2d(planes[i], planes[i + 1], 3, 2, 1), nn.SiLU()]
        last = nn.Linear(planes[-1] * side * side, 64)
        self.features = nn.Sequential(*layers, nn.Flatten(), last, nn.SiLU())
        self.kind, self.colour = nn.Linear(64, config.kinds), nn.Linear(64, config.colours)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Cross-entropy of both; batch.condition: factors, whose second is the colour."""
        assert batch.labels is not None and batch.condition is not None
        found = self.features(batch.x)
        kind = F.cross_entropy(self.kind(found), batch.labels)
        colour = F.cross_entropy(self.colour(found), batch.condition[:, 1].long())
        return {"loss": kind + colour, "kind": kind, "colour": colour}


class ShapesJudge:
    """Reads shape and colour of pictures, and measures their Frechet distance to `data.train`.

    Judged are always as many pictures as are held out; `floor` is the distance of those.
    accuracy: share of held-out pictures of which both are read right.
    """

    def __init__(self, data: Dataset, *, colours: int, steps: int) -> None:
        with global_seed(SEED):
            net = ShapesNet(_Config(data.data_shape, len(data.classes), colours))
        batches = data.batches(batch_size=BATCH, seed=SEED)
        trainer = Trainer(net, batches, steps=steps, seed=SEED)  # type: ignore[arg-type]
        for _ in range(steps):
            trainer.step()
        self._net, self.count = net.eval(), len(data.test)
        test = data.test.all()
        assert test.labels is not None and test.condition is not None
        kind, colour = self.read(test.x)
        right = (kind == test.labels) & (colour == test.condition[:, 1].long())
        self.accuracy = right.float().mean().item()
        self._real = self.features(data.train.all().x)
        self.floor = self.frechet(test.x)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """(n, 64) of pictures in [-1, 1]."""
        return torch.cat([self._net.features(block) for block in x.split(_BLOCK)])

    @torch.no_grad()
    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of the shape and the colour of each picture, (n,) each."""
        found = self.features(x)
        return self._net.kind(found).argmax(1), self._net.colour(found).argmax(1)

    def frechet(self, x: Tensor) -> float:
        """Distance of pictures from the training pictures."""
        return frechet_distance(real=self._real, fake=self.features(x))


def gaussian_pictures(x: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """n draws of the Gaussian with mean and full covariance of pictures x, clipped to [-1, 1]."""
    rows = x.flatten(1)
    mean = rows.mean(0)
    # a Gaussian mix of the centred rows has their covariance
    weights = torch.randn(n, len(rows), generator=rng) / (len(rows) - 1) ** 0.5
    return (mean + weights @ (rows - mean)).clamp(-1, 1).view(n, *x.shape[1:])


def gradient_energy(x: Tensor) -> float:
    """Mean squared difference of neighbouring pixels, which blur lowers; x (n, C, H, W)."""
    down, right = x.diff(dim=2).square().sum(), x.diff(dim=3).square().sum()
    return ((down + right) / x.numel()).item()
