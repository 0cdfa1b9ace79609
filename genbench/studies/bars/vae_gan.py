"""Bars of `vae_gan`, on shapes of 32 x 32: SYSTEMS.md's table "Variational"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genbench.data import open_dataset
from genbench.studies.bars.bar import Bar, wins
from genbench.studies.bars.digit_judges import random_codes
from genbench.studies.bars.lab import Lab
from genbench.studies.bars.shape_judges import (
    JUDGE_STEPS,
    ShapesJudge,
    gaussian_pictures,
    gradient_energy,
)

STEPS, BATCH, LATENT = 1500, 32, 32
CONFIG: dict[str, Any] = {"latent_dim": LATENT, "width": 16, "learning_rate": 1e-3}
COLOURS = 6


def bars(lab: Lab) -> Iterator[Bar]:
    """Sharpness of reconstructions beside vae's, and samples beside three baselines."""
    data = open_dataset("shapes", size=32)
    x = data.test.all().x
    sizes: dict[str, Any] = {"steps": STEPS, "batch_size": BATCH}
    models = {seed: lab.train("vae_gan", data, seed=seed, **sizes, **CONFIG) for seed in lab.seeds}
    wanted, ours, theirs = gradient_energy(x), [], []
    for seed, model in models.items():
        vae = lab.train("vae", data, seed=seed, latent_dim=LATENT, **sizes)
        ours.append(gradient_energy(model.reconstruct(x)))
        theirs.append(gradient_energy(vae.reconstruct(x)))
    pairs = zip(ours, theirs, strict=True)
    yield wins(
        "gradient energy of reconstructions nearer the data's than vae's",
        [abs(b - wanted) - abs(a - wanted) for a, b in pairs],
        data=wanted,
        vae_gan=sum(ours) / len(ours),
        vae=sum(theirs) / len(theirs),
    )
    yield from _samples(lab, data, models)


def _samples(lab: Lab, data: Any, models: dict[int, Any]) -> Iterator[Bar]:
    judge = ShapesJudge(data, colours=COLOURS, steps=lab.steps(JUDGE_STEPS))
    train = data.train.all().x
    ours, others = [], {"untrained": [], "gaussian": [], "random_codes": []}
    for seed, model in models.items():
        rng = lab.rng(seed, "samples")
        ours.append(judge.frechet(model.sample(judge.count, rng)))
        sizes: dict[str, Any] = {"batch_size": BATCH, "latent_dim": LATENT}
        start = lab.train("vae_gan", data, seed=seed, steps=0, batch_size=BATCH, **CONFIG)
        coder = lab.train("autoencoder", data, seed=seed, steps=STEPS, **sizes)
        pictures = {
            "untrained": start.sample(judge.count, rng),
            "gaussian": gaussian_pictures(train, judge.count, rng),
            "random_codes": random_codes(coder, train, judge.count, rng),
        }
        for name, found in pictures.items():
            others[name].append(judge.frechet(found))
    beside = {"vae_gan": sum(ours) / len(ours), "held_out": judge.floor}
    for name, found in others.items():
        yield wins(
            f"Frechet distance of samples below {name}",
            [b - a for a, b in zip(ours, found, strict=True)],
            **beside,
            **{name: sum(found) / len(found)},
            classifier_on_real=judge.accuracy,
        )
