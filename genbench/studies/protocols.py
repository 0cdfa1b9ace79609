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

    data, losses: what a study takes where none are named. steps: updates of the generator.
    batch_size: points in a batch, or rows of the critic where `batch_of_packs`: packing N then
    draws N times as many points. samples: scored at each of `evaluations` evenly spaced steps, the
    last one included. points: size of a seed's fixed training set, drawn from with replacement;
    None: fresh points in every batch. A user's rows are such a set already. standardise: data are
    divided by their standard deviation for training; they are always scored in their own units.
    model: fields of the model's Config.
    """

    name: str
    line: str
    data: tuple[str, ...]
    losses: tuple[str, ...]
    steps: int
    batch_size: int
    samples: int
    evaluations: int = 20
    points: int | None = None
    batch_of_packs: bool = False
    standardise: bool = False
    model: Mapping[str, Any] = field(default_factory=dict)


# What every objective of a table meets: the plain ones, the two penalised ones that theory says
# converge, one that lets the critic see four points, and one that bounds the critic itself.
EIGHT = (
    "non_saturating",
    "least_squares",
    "hinge",
    "wasserstein_gp",
    "non_saturating+r1+r2",
    "relativistic+r1+r2",
    "non_saturating+packing4",
    "hinge+spectral_norm",
)

# Ours, the same for all objectives.
_QUICK = {
    "latent_dim": 2,
    "width": 128,
    "depth": 3,
    "slope": 0.0,
    "learning_rate": 3e-3,
    "betas": (0.0, 0.9),
    "schedule": "cosine",
    "weight": 0.05,
    "critic_steps": 1,
}

PROTOCOLS = {
    "quick": Protocol(
        "quick",
        "3x128 ReLU MLPs, latent 2, Adam 3e-3 (0, .9) to zero by cosine, batch 128, weight .05",
        data=("ring8", "grid25"),
        losses=EIGHT,
        steps=6_000,
        batch_size=128,
        samples=10_000,
        standardise=True,
        model=_QUICK,
    ),
    # Srivastava et al. 2017 (arXiv 1705.07761), section 5.1: 2,500 samples, three sigma, a mode
    # counts with one such sample. Networks and optimiser are not given there: `quick`'s.
    "veegan": Protocol(
        "veegan",
        "VEEGAN's scoring of 2,500 samples; networks and optimiser of quick, the paper gives none",
        data=("ring8", "grid25", "veegan1200"),
        losses=("non_saturating", "non_saturating+unrolled5", "relativistic+r1+r2"),
        steps=6_000,
        batch_size=128,
        samples=2_500,
        standardise=True,
        model=_QUICK,
    ),
    # Lin et al. 2018 (arXiv 1712.04086), section 4.1; what it leaves open from the authors' code
    # (github.com/fjxmlzn/PacGAN): N(0, .02^2) weights, Adam's beta2 .999, batches of 100 packs, one
    # training set a run, data not scaled. Theirs updates both players at once on one batch.
    "pacgan": Protocol(
        "pacgan",
        "PacGAN's plane: 4x400 batch-norm generator, 3x200 maxout critic, Adam 1e-4 (.8, .999)",
        data=("ring8-pacgan", "grid25"),
        losses=("non_saturating", *(f"non_saturating+packing{n}" for n in (2, 3, 4))),
        steps=400_000,  # 400 epochs of 1,000 batches
        batch_size=100,
        samples=2_500,
        points=100_000,
        batch_of_packs=True,
        model={
            "generator": "mlp_batch_norm",
            "critic": "maxout",
            "latent_dim": 2,
            "width": 400,
            "depth": 4,
            "critic_width": 200,
            "critic_depth": 3,
            "slope": 0.0,
            "learning_rate": 1e-4,
            "betas": (0.8, 0.999),
            "schedule": "constant",
            "weight": 0.1,  # no penalty in the paper
            "critic_steps": 1,
        },
    ),
    # The setting of PacGAN's table of critics a quarter of the generator's size (Lin et al. 2018,
    # section 4.2, after Metz et al. 2016, arXiv 1611.02163, section 3.3), on digits of 8x8 pixels
    # and for two cores. Theirs on 28x28: 8 and 2 channels, three levels, latent 256, LeakyReLU(.3),
    # Adam 1e-4 (critic 2e-4), batches of 128 packs, 500,000 steps. There is less to see in 8x8
    # pixels, so two levels; with 2 channels on them the critic tells nothing apart. Its rate is ten
    # times the generator's: at twice, both runs wander for 6,000 steps.
    "stacked": Protocol(
        "stacked",
        "stacked digits: DCGAN, critic a quarter of the generator's size, batches of 64 packs",
        data=("stacked-digits",),
        losses=("non_saturating", "non_saturating+packing2"),
        steps=10_000,
        batch_size=64,
        samples=26_000,
        evaluations=10,
        batch_of_packs=True,
        model={
            "generator": "dcgan_generator",
            "critic": "dcgan_critic",
            "latent_dim": 100,
            "width": 32,
            "depth": 2,
            "critic_width": 8,
            "critic_depth": 2,
            "slope": 0.2,
            "learning_rate": 2e-4,
            "critic_learning_rate": 2e-3,
            "betas": (0.5, 0.99),
            "schedule": "constant",
            "weight": 0.1,  # no penalty in the paper
            "critic_steps": 1,
        },
    ),
    # Huang et al. 2024 (arXiv 2501.05441): optimiser, gamma, widths and length. Open: activation
    # (LeakyReLU .2, as in their image networks), first weights (torch's), scaling of data (none),
    # a schedule (none).
    "r3gan": Protocol(
        "r3gan",
        "R3GAN's grid: 2x256 MLPs, latent 64, Adam 2e-4 (0, .99), gamma 1, batch 256, unscaled",
        data=("grid25",),
        losses=("non_saturating", "relativistic", "non_saturating+r1+r2", "relativistic+r1+r2"),
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
