"""Samples and oracles of noise and of reparameterize_kl."""

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from . import philox
from .operation import Operation, key, normals, shard


def drawing(law: str) -> Operation:
    return Operation(
        name=law,
        variants={
            "key": lambda shape, g: {"shape": shape, "seed": key(g)},
            "shard": lambda shape, g: {"shape": shape, "seed": shard(g)},
            "stream": lambda shape, g: {"shape": shape, "seed": shard(g), "stream": 2**33 + 5},
            # the number of the first element is unsigned
            "far": lambda shape, g: {"shape": shape, "seed": torch.tensor([-1, -(2**20)])},
        },
        oracle=lambda shape, seed, stream=0: (philox.noise(law, shape, seed, stream),),
        results={"u" if law == "uniform" else "z": "like"},
    )


def latent(mu: Tensor, logvar: Tensor, eps: Tensor | None = None, seed: Tensor | None = None):
    """z and KL by torch.distributions."""
    posterior = Normal(mu, logvar.div(2).exp())
    if eps is None:
        eps = philox.noise("normal", mu.shape, seed)
    kl = kl_divergence(posterior, Normal(0.0, 1.0)).reshape(*mu.shape[:1], mu[:1].numel())
    return posterior.loc + posterior.scale * eps, kl.sum(1)


def posterior(shape, g, **source):
    return {"mu": normals(shape, g), "logvar": normals(shape, g), **source}


OPERATIONS = [
    drawing("uniform"),
    drawing("normal"),
    Operation(
        name="reparameterize_kl",
        variants={
            "eps": lambda shape, g: posterior(shape, g, eps=normals(shape, g)),
            "key": lambda shape, g: posterior(shape, g, seed=key(g)),
            "shard": lambda shape, g: posterior(shape, g, seed=shard(g)),
            "spread": lambda shape, g: {
                "mu": 1e-3 * normals(shape, g),
                "logvar": 3 * normals(shape, g).clamp(-3, 2),
                "seed": shard(g),
            },
            "near the prior": lambda shape, g: {
                "mu": 1e-3 * normals(shape, g),
                "logvar": 1e-3 * normals(shape, g),
                "eps": normals(shape, g),
            },
        },
        oracle=latent,
        data=("mu", "logvar", "eps"),
        results={"z": "like", "kl": "wide"},
    ),
]
