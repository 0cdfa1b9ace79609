"""Protocols: data, networks, constants and scoring under which numbers may be compared.

A number without its protocol is noise: the plain GAN on the ring holds 1 mode in VEEGAN's table and
6.3 in PacGAN's. Each constant has its source beside it; what a paper leaves open is said there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Protocol:
    """One line of a results table is comparable with another only under the same protocol.

    data: what a study takes where none are named. steps: updates of the generator. samples: scored
    at each of `evaluations` evenly spaced steps, the last one included. points: size of a seed's
    fixed training set, drawn from with replacement; None: fresh points in every batch. A user's
    rows are such a set already. standardise: data are divided by their standard deviation for
    training; they are always scored in their own units. model: fields of the model's Config.
    """

    name: str
    line: str
    data: tuple[str, ...]
    steps: int
    batch_size: int
    samples: int
    evaluations: int = 20
    points: int | None = None
    standardise: bool = False
    model: Mapping[str, Any] = field(default_factory=dict)


# Ours, the same for all objectives.
_QUICK = {
    "latent_dim": 2,
    "width": 128,
    "depth": 3,
    "slope": 0.0,
    "learning_rate": 2e-3,
    "betas": (0.0, 0.9),
    "schedule": "cosine",
    "weight": 0.05,
    "critic_steps": 1,
}

PROTOCOLS = {
    "quick": Protocol(
        "quick",
        "3x128 ReLU MLPs, latent 2, Adam 2e-3 (0, .9) to zero by cosine, batch 256, weight .05",
        data=("ring8", "grid25"),
        steps=6_000,
        batch_size=256,
        samples=10_000,
        standardise=True,
        model=_QUICK,
    ),
    # Srivastava et al. 2017 (arXiv 1705.07761), section 5.1: 2,500 samples, three sigma, a mode
    # counts with one such sample. Networks and optimiser are not given there: `quick`'s.
    "veegan": Protocol(
        "veegan",
        "VEEGAN's scoring of 2,500 samples; networks and optimiser of quick, the paper gives none",
        data=("ring8", "grid25"),
        steps=6_000,
        batch_size=256,
        samples=2_500,
        standardise=True,
        model=_QUICK,
    ),
    # Huang et al. 2024 (arXiv 2501.05441): optimiser, gamma, widths and length. Open: activation
    # (LeakyReLU .2, as in their image networks), first weights (torch's), scaling of data (none),
    # a schedule (none).
    "r3gan": Protocol(
        "r3gan",
        "R3GAN's grid: 2x256 MLPs, latent 64, Adam 2e-4 (0, .99), gamma 1, batch 256, unscaled",
        data=("grid25",),
        steps=20_000,
        batch_size=256,
        samples=10_000,
        model={
            "latent_dim": 64,
            "width": 256,
            "depth": 2,
            "slope": 0.2,
            "learning_rate": 2e-4,
            "betas": (0.0, 0.99),
            "schedule": "constant",
            "weight": 1.0,
            "critic_steps": 1,
        },
    ),
}
