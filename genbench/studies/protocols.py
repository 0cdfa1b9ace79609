"""Protocols: how long a cell trains, with which constants, and on how many samples it is scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Protocol:
    """One line of a results table is comparable with another only under the same protocol.

    steps: updates of the generator. samples: scored at each of `evaluations` evenly spaced steps,
    the last one included. model: fields of the model's Config. Data are divided by their standard
    deviation for training and scored in their own units.
    """

    name: str
    line: str
    steps: int
    batch_size: int
    samples: int
    evaluations: int = 20
    model: Mapping[str, Any] = field(default_factory=dict)


PROTOCOLS = {
    "quick": Protocol(
        "quick",
        "3x128 ReLU MLPs, latent 2, Adam 2e-3 (0, .9) to zero by cosine, batch 256, weight .05",
        steps=6_000,
        batch_size=256,
        samples=10_000,
        model={
            "latent_dim": 2,
            "width": 128,
            "depth": 3,
            "slope": 0.0,
            "learning_rate": 2e-3,
            "betas": (0.0, 0.9),
            "schedule": "cosine",
            "weight": 0.05,
            "critic_steps": 1,
        },
    ),
}
