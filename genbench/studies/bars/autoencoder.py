"""Bars of `autoencoder`, on native digits: SYSTEMS's table "Autoencoders"."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from genbench.data import Dataset, open_dataset
from genbench.studies.bars.bar import Bar, at_most, wins
from genbench.studies.bars.digit_judges import DigitFrechet
from genbench.studies.bars.lab import Lab

LATENTS, STEPS, RATE = (2, 3, 8, 16, 32), 1500, 2e-3
LINEAR: dict[str, Any] = {"hidden": None, "activation": "linear", "output": "linear"}
LINEAR_STEPS, LINEAR_RATE, LINEAR_BATCH = 2000, 3e-2, 256


def bars(lab: Lab) -> Iterator[Bar]:
    """Test errors against PCA's and over code sizes, random codes, and the linear one's plane."""
    data = open_dataset("digits")
    test = data.test.all().x.to(lab.device)
    models = {
        (seed, size): lab.train(
            "autoencoder", data, seed=seed, steps=STEPS, latent_dim=size, learning_rate=RATE
        )
        for seed in lab.seeds
        for size in LATENTS
    }
    errors = {key: mean_square(test, model.reconstruct(test)) for key, model in models.items()}
    pca = mean_square(test, _projected(data, test.cpu(), 3))
    yield at_most(
        "test MSE at latent 3 over that of PCA with 3 components",
        [errors[seed, 3] / pca for seed in lab.seeds],
        0.75,
        pca=pca,
    )
    yield wins(
        "least fall of the test MSE from one of latent 2, 3, 8, 16, 32 to the next",
        [min(errors[s, a] - errors[s, b] for a, b in pairwise(LATENTS)) for s in lab.seeds],
        **{f"latent {size}": errors[lab.seeds[0], size] for size in LATENTS},
    )
    yield _frechet(lab, data, {seed: models[seed, 3] for seed in lab.seeds})
    yield _subspace(lab, data)


def mean_square(x: Tensor, y: Tensor) -> float:
    """Mean of (x - y)^2 over all numbers, float64."""
    return (x.cpu().double() - y.cpu().double()).square().mean().item()


def _components(data: Dataset, count: int) -> tuple[Tensor, Tensor]:
    """Mean (d,) and principal directions (count, d) of the training rows, float64."""
    rows = data.train.all(torch.float64).x.flatten(1)
    mean = rows.mean(dim=0)
    return mean, torch.linalg.svd(rows - mean, full_matrices=False).Vh[:count]


def _projected(data: Dataset, x: Tensor, count: int) -> Tensor:
    """x (n, *data_shape) on its principal components, float64."""
    mean, directions = _components(data, count)
    rows = x.double().flatten(1) - mean
    return (mean + rows @ directions.T @ directions).view(x.shape)


def _frechet(lab: Lab, data: Dataset, models: dict[int, Any]) -> Bar:
    """Decoded Gaussian codes lie farther from the data than reconstructions."""
    judge, test = DigitFrechet(data), data.test.all().x.to(lab.device)
    kept = {seed: judge(model.reconstruct(test)) for seed, model in models.items()}
    drawn = {
        seed: judge(model.sample(judge.count, lab.rng(seed, "codes")))
        for seed, model in models.items()
    }
    return wins(
        "Frechet distance of Gaussian codes above reconstructions, latent 3",
        [drawn[seed] - kept[seed] for seed in models],
        reconstructions=sum(kept.values()) / len(kept),
        gaussian_codes=sum(drawn.values()) / len(drawn),
        held_out=judge.floor,
    )


def _subspace(lab: Lab, data: Dataset) -> Bar:
    """Sine of the largest angle between the linear decoder's columns and the components."""
    _, directions = _components(data, 3)
    sines, ratios = [], []
    train = data.train.all().x.to(lab.device)
    for seed in lab.seeds:
        model = lab.train(
            "autoencoder",
            data,
            seed=seed,
            steps=LINEAR_STEPS,
            batch_size=LINEAR_BATCH,
            learning_rate=LINEAR_RATE,
            **LINEAR,
        )
        basis = torch.linalg.qr(model.decoder[0].weight.detach().cpu().double()).Q
        beyond = directions.T - basis @ (basis.T @ directions.T)
        sines.append(torch.linalg.matrix_norm(beyond, 2).item())
        ratios.append(mean_square(train, model.reconstruct(train)))
    best = mean_square(train, _projected(data, train.cpu(), 3))
    return at_most(
        "linear: sine of the largest angle to PCA's subspace",
        sines,
        0.01,
        training_mse_over_pca=max(ratios) / best,
    )
