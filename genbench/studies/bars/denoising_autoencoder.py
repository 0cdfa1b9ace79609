"""Bars of `denoising_autoencoder` and `masked_autoencoder`, on native digits: SYSTEMS's table
"Autoencoders"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genbench.data import open_dataset
from genbench.studies.bars.bar import Bar, at_least, wins
from genbench.studies.bars.lab import Lab

STEPS, NOISE_STD, HIDDEN_SHARE = 3000, 0.5, 0.5
SIZES: dict[str, Any] = {"hidden": (256, 128), "latent_dim": 64}
RIDGES = (1e-6, 1e-3, 1e-2, 3e-2, 1e-1)  # added to the covariance; the baseline gets the best


def bars(lab: Lab) -> Iterator[Bar]:
    """Noise taken away, against a plain autoencoder of the same size; then numbers filled in."""
    data = open_dataset("digits")
    test = data.test.all().x.to(lab.device)
    gains, over_plain, clipped = [], [], []
    for seed in lab.seeds:
        noise = torch.randn(test.shape, generator=lab.rng(seed, "noise")).to(test)
        noisy = test + NOISE_STD * noise
        model, plain = (
            lab.train(name, data, seed=seed, steps=STEPS, **SIZES)
            for name in ("denoising_autoencoder", "autoencoder")
        )
        gains.append(gain_db(test, worse=noisy, better=model.denoise(noisy)))
        with torch.no_grad():
            copied = plain.decode(plain.code(noisy))
        over_plain.append(gains[-1] - gain_db(test, worse=noisy, better=copied))
        clipped.append(gain_db(test, worse=noisy, better=noisy.clamp(-1, 1)))
    least = min(clipped)
    yield at_least("PSNR above that of the noisy input, dB", gains, 3, clipping_alone=least)
    yield wins("PSNR above that of the plain autoencoder, dB", over_plain)
    yield _filled_in(lab, data, test)


def gain_db(x: Tensor, *, worse: Tensor, better: Tensor) -> float:
    """Mean over pictures (n, ...) of the PSNR of `better` less that of `worse`, against x."""
    errors = [(y - x).double().square().flatten(1).mean(dim=1) for y in (worse, better)]
    return 10 * (errors[0] / errors[1]).log10().mean().item()


def _filled_in(lab: Lab, data: Any, test: Tensor) -> Bar:
    """Squared error on hidden numbers, below that of linear regression from the visible ones."""
    train = data.train.all(torch.float64).x
    falls, theirs, ours = [], [], []
    for seed in lab.seeds:
        model = lab.train("masked_autoencoder", data, seed=seed, steps=STEPS, **SIZES)
        rng = lab.rng(seed, "mask")
        mask = torch.rand(test.shape, generator=rng).to(test) >= HIDDEN_SHARE
        filled = model.impute(test, mask, rng)
        ours.append((filled - test)[~mask].double().square().mean().item())
        theirs.append(min(_regression_error(train, test.cpu(), mask.cpu(), r) for r in RIDGES))
        falls.append(theirs[-1] - ours[-1])
    return wins(
        "masked_autoencoder: MSE of hidden pixels below linear regression",
        falls,
        filled_in=sum(ours) / len(ours),
        regression=sum(theirs) / len(theirs),
    )


def _regression_error(train: Tensor, test: Tensor, mask: Tensor, ridge: float) -> float:
    """MSE of hidden numbers by linear regression from each row's visible ones, clipped to [-1, 1].

    m_h + C_hv (C_vv + ridge)^-1 (x_v - m_v), with mean and covariance of the training rows.
    """
    rows = train.flatten(1)
    mean, covariance = rows.mean(dim=0), torch.cov(rows.T)
    errors = []
    for x, v in zip(test.double().flatten(1), mask.flatten(1), strict=True):
        inner = covariance[v][:, v] + ridge * torch.eye(int(v.sum()), dtype=torch.float64)
        found = mean[~v] + covariance[~v][:, v] @ torch.linalg.solve(inner, x[v] - mean[v])
        errors.append((found.clamp(-1, 1) - x[~v]).square())
    return torch.cat(errors).mean().item()
