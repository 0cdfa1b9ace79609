"""Bars of `hierarchical_vae`, on shapes drawn fresh: against a flat VAE, and its levels in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genbench.data.shapes import shapes
from genbench.models import create_model
from genbench.studies.bars.bar import Bar, at_least, wins
from genbench.studies.bars.lab import Lab

SIZE, STEPS, BATCH = 8, 1200, 64
LATENTS = (6, 10)
CONFIG: dict[str, Any] = {"likelihood": "gaussian", "std": 0.4, "learning_rate": 4e-3}
OWN: dict[str, Any] = {"latent_dims": LATENTS, "width": 224, "free_nats": 1.0}


def bars(lab: Lab) -> Iterator[Bar]:
    """The ELBO paired by seed, then every level's KL."""
    data = shapes(size=SIZE)
    test = data.test.all().x.to(lab.device)
    flat_width = width_of_as_many(data.data_shape)
    gains, least = [], []
    for seed in lab.seeds:
        options = {"seed": seed, "steps": STEPS, "batch_size": BATCH, **CONFIG}
        ours = lab.train("hierarchical_vae", data, **options, **OWN)
        flat = lab.train("vae", data, latent_dim=sum(LATENTS), width=flat_width, **options)
        found = [m.elbo(test, lab.rng(seed, "elbo"), 10).mean().item() for m in (ours, flat)]
        gains.append(found[0] - found[1])
        kls = ours.level_kls(test, lab.rng(seed, "levels"), 5).mean(1)
        least.append(kls.min().item())
    yield wins("ELBO above a flat VAE of at least as many parameters, nats", gains)
    yield at_least("KL of the level that uses least, nats", least, 0.5)


def width_of_as_many(shape: tuple[int, ...]) -> int:
    """The least width at which a flat VAE has as many parameters as the hierarchical one."""
    wanted = parameters("hierarchical_vae", shape, **OWN)
    width = 8
    while parameters("vae", shape, latent_dim=sum(LATENTS), width=width) < wanted:
        width += 8
    return width


def parameters(name: str, shape: tuple[int, ...], **config: Any) -> int:
    """How many numbers a model learns."""
    model: Any = create_model(name, data_shape=shape, **CONFIG, **config)
    return sum(p.numel() for p in model.parameters())
