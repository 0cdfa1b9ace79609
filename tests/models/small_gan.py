"""A small GAN, its points, and what its critic is shown."""

from typing import Any

import torch

from genbench import create_model, ops
from genbench.protocol import Batch

SEED = torch.tensor([3])


def gan(loss, shape=(2,), **config) -> Any:
    torch.manual_seed(0)
    return create_model("gan", data_shape=shape, loss=loss, **{"width": 8, "depth": 2, **config})


def points(n, shape=(2,), key=1):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(key))


def noted(monkeypatch):
    """A list that gets key and stream of every draw from here on."""
    drawn = []

    def note(name):
        draw = getattr(ops, name)

        def call(*arguments, **options):
            if "seed" in options:  # a penalty draws its points by stream 0, dragan's beforehand
                drawn.append((options["seed"].item(), options.get("stream", 0)))
            return draw(*arguments, **options)

        monkeypatch.setattr(ops, name, call)

    for name in ("uniform", "normal", "interpolate", "gradient_penalty"):
        note(name)
    return drawn


class Recorder(torch.nn.Module):
    """A linear critic that keeps what it was given."""

    def __init__(self, features):
        super().__init__()
        self.layer = torch.nn.Linear(features, 1)
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach())
        return self.layer(x.flatten(1))


def shown(loss, x, phase="critic", features=2, done: Any = 0.0):
    """(model, the critic's real input, its generated input) of one loss."""
    model = gan(loss, tuple(x.shape[1:]), critic=lambda: Recorder(features))
    recorder = next(m for m in model.modules() if isinstance(m, Recorder))
    recorder.seen.clear()
    model.loss(Batch(x=x, seed=SEED, done=done), phase)
    return model, *recorder.seen
