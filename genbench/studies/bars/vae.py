"""Bars of `vae`, on native digits of 17 levels, dequantised: its bounds, and its samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from genbench import ops
from genbench.data import open_dataset
from genbench.losses.likelihoods import dequantise
from genbench.studies.bars.bar import Bar, at_least, at_most, wins
from genbench.studies.bars.digit_judges import DigitFrechet, random_codes
from genbench.studies.bars.lab import Lab

LATENT, STEPS = 16, 2500
CONFIG: dict[str, Any] = {
    "likelihood": "learned_gaussian",
    "std": 0.03,
    "levels": 17,
    "latent_dim": LATENT,
    "drawn_samples": True,
    "learning_rate": 3e-3,
}


def bars(lab: Lab) -> Iterator[Bar]:
    """KL, both bounds, a Gaussian's likelihood, and the samples of an autoencoder's codes."""
    data = open_dataset("digits")
    train, test = (
        dequantise(split.all().x, 17, torch.tensor([key])).to(lab.device)
        for key, split in enumerate((data.train, data.test))
    )
    models = {seed: lab.train("vae", data, seed=seed, steps=STEPS, **CONFIG) for seed in lab.seeds}
    errors = [_kl_error(model, test) for model in models.values()]
    yield at_most("KL against torch.distributions, float64, nats", errors, 1e-9)
    elbos = {seed: m.elbo(test, lab.rng(seed, "elbo"), 20).cpu() for seed, m in models.items()}
    yield at_least(
        "importance-weighted bound (K = 100) above the ELBO, standard errors",
        [_excess(m, test, elbos[seed], lab.rng(seed, "weights")) for seed, m in models.items()],
        -2,
    )
    gaussian = _gaussian(train).log_prob(test.flatten(1).double()).mean().item()
    yield wins(
        "ELBO above a full-covariance Gaussian, nats",
        [elbo.mean().item() - gaussian for elbo in elbos.values()],
        gaussian=gaussian,
    )
    yield _frechet(lab, data, models)


def _kl_error(model: Any, x: Tensor) -> float:
    """The largest difference of the operation from the closed form over posteriors of x."""
    mu, logvar = (t.double() for t in model.posterior(x))
    _, kl = ops.reparameterize_kl(mu, logvar, seed=torch.tensor([0], device=mu.device))
    closed = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(1)
    return (kl - closed).abs().max().item()


def _excess(model: Any, x: Tensor, elbo: Tensor, rng: torch.Generator) -> float:
    """Mean over x of the importance-weighted bound less the ELBO, in its standard errors."""
    gain = (model.importance_bound(x, rng, 100).cpu() - elbo).double()
    return (gain.mean() / (gain.std() / len(gain) ** 0.5)).item()


def _gaussian(x: Tensor) -> MultivariateNormal:
    """Fitted to x by its mean and covariance."""
    rows = x.flatten(1).double()
    return MultivariateNormal(rows.mean(0), torch.cov(rows.T))


def _frechet(lab: Lab, data: Any, models: dict[int, Any]) -> Bar:
    """Samples against those of an autoencoder of as many latents, whose codes get Gaussians."""
    judge = DigitFrechet(data)
    gains, theirs = [], []
    for seed, model in models.items():
        other = lab.train("autoencoder", data, seed=seed, steps=STEPS, latent_dim=LATENT)
        codes = random_codes(
            other, data.train.all().x.to(lab.device), judge.count, lab.rng(seed, "codes")
        )
        theirs.append(judge(codes))
        gains.append(theirs[-1] - judge(model.sample(judge.count, lab.rng(seed, "samples"))))
    return wins(
        "Frechet distance of samples below random codes of an autoencoder",
        gains,
        random_codes=sum(theirs) / len(theirs),
        held_out=judge.floor,
    )
