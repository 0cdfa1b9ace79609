"""Samples and oracles of interpolate and of DDPM's steps."""

import torch
from torch import Tensor

from . import philox
from .operation import Arguments, Operation, between, key, normals, shard

HALF, SINGLE = torch.float16, torch.float32


def of_row(value, x: Tensor) -> Tensor:
    """A number or tensor () or (B,) in float64, ready to meet x (B, ...)."""
    value = torch.as_tensor(value, dtype=torch.float64)
    return value.reshape(-1, *[1] * (x.ndim - 1)) if value.ndim else value


def segment(real: Tensor, fake: Tensor, alpha=None, seed: Tensor | None = None):
    """From the fake end, by torch.lerp."""
    if alpha is None:
        alpha = philox.noise("uniform", (len(real),), seed)
    return (torch.lerp(fake, real, of_row(alpha, real).expand_as(real)),)


def rotation(x0: Tensor, alpha_bar, noise: Tensor | None = None, seed: Tensor | None = None):
    """The two coefficients' squares add up to 1: they are an angle's cosine and sine."""
    bar = of_row(alpha_bar, x0)
    angle = torch.atan2((1 - bar).sqrt(), bar.sqrt())
    if noise is None:
        noise = philox.noise("normal", x0.shape, seed)
    return torch.cos(angle) * x0 + torch.sin(angle) * noise, noise


def posterior(
    x_t: Tensor,
    predicted_noise: Tensor,
    alpha,
    alpha_bar,
    sigma,
    noise: Tensor | None = None,
    seed: Tensor | None = None,
):
    """Equations 7 and 15: the mean of q(x_{t-1} | x_t, x_0) at the x_0 that the noise implies."""
    a, bar, spread = (of_row(value, x_t) for value in (alpha, alpha_bar, sigma))
    before = bar / a
    x0 = (x_t - (1 - bar).sqrt() * predicted_noise) / bar.sqrt()
    by_x0, by_x = before.sqrt() * (1 - a) / (1 - bar), a.sqrt() * (1 - before) / (1 - bar)
    if noise is None:
        noise = (
            philox.noise("normal", x_t.shape, seed) if seed is not None else torch.zeros_like(x_t)
        )
    return (by_x0 * x0 + by_x * x_t + spread * noise,)


def ends(shape, g, **options) -> Arguments:
    return {"real": normals(shape, g), "fake": normals(shape, g), **options}


def clean(shape, g, **options) -> Arguments:
    return {"x0": normals(shape, g), **options}


def step(
    shape,
    g,
    alpha: float | Tensor = 0.95,
    alpha_bar: float | Tensor = 0.5,
    sigma: float | Tensor = 0.25,
    **options,
) -> Arguments:
    coefficients = {"alpha": alpha, "alpha_bar": alpha_bar, "sigma": sigma}
    return {
        "x_t": normals(shape, g),
        "predicted_noise": normals(shape, g),
        **coefficients,
        **options,
    }


def rowwise(shape, g, dtypes, **options) -> Arguments:
    ranges = {"alpha": (0.6, 0.99), "alpha_bar": (0.05, 0.95), "sigma": (0.1, 1.0)}
    rows = {
        name: between(low, high, shape[:1], g, dtype)
        for (name, (low, high)), dtype in zip(ranges.items(), dtypes, strict=True)
    }
    return step(shape, g, **rows, **options)


OPERATIONS = [
    Operation(
        name="interpolate",
        variants={
            "key": lambda s, g: ends(s, g, seed=key(g)),
            "shard": lambda s, g: ends(s, g, seed=shard(g)),
            "number": lambda s, g: ends(s, g, alpha=0.3),
            "integer": lambda s, g: ends(s, g, alpha=1),
            "0-d": lambda s, g: ends(s, g, alpha=between(0, 1, (), g, SINGLE)),
            "row": lambda s, g: ends(s, g, alpha=between(0, 1, s[:1], g)),
            "half row": lambda s, g: ends(s, g, alpha=between(0, 1, s[:1], g, HALF)),
        },
        oracle=segment,
        data=("real", "fake"),
        rows=("alpha",),
        learned=("alpha",),
        results={"x_hat": "like"},
    ),
    Operation(
        name="ddpm_add_noise",
        variants={
            "key": lambda s, g: clean(s, g, alpha_bar=0.7, seed=key(g)),
            "shard": lambda s, g: clean(
                s, g, alpha_bar=between(0.05, 0.95, s[:1], g), seed=shard(g)
            ),
            "number": lambda s, g: clean(s, g, alpha_bar=0.9999, noise=normals(s, g)),
            "all noise": lambda s, g: clean(s, g, alpha_bar=0, noise=normals(s, g)),
            "0-d": lambda s, g: clean(
                s, g, alpha_bar=between(0.05, 0.95, (), g), noise=normals(s, g)
            ),
            "row": lambda s, g: clean(
                s, g, alpha_bar=between(0.05, 0.95, s[:1], g, SINGLE), noise=normals(s, g)
            ),
            "half row": lambda s, g: clean(
                s, g, alpha_bar=between(0.05, 0.95, s[:1], g, HALF), seed=key(g)
            ),
        },
        oracle=rotation,
        data=("x0", "noise"),
        rows=("alpha_bar",),
        learned=("noise", "alpha_bar"),
        results={"x_t": "like", "noise": "like"},
    ),
    Operation(
        name="ddpm_step",
        variants={
            "key": lambda s, g: step(s, g, seed=key(g)),
            "shard": lambda s, g: step(s, g, seed=shard(g)),
            "given": lambda s, g: step(s, g, noise=normals(s, g)),
            "last": lambda s, g: step(s, g, alpha=0.9999, alpha_bar=0.9999, sigma=0),
            "0-d": lambda s, g: step(
                s, g, alpha=torch.tensor(0.9), sigma=torch.tensor(0.3), seed=shard(g)
            ),
            "rows": lambda s, g: rowwise(s, g, [torch.float64] * 3, noise=normals(s, g)),
            "mixed rows": lambda s, g: rowwise(
                s, g, [SINGLE, torch.float64, torch.bfloat16], seed=key(g)
            ),
            "half rows": lambda s, g: rowwise(s, g, [HALF, HALF, HALF], seed=shard(g)),
        },
        oracle=posterior,
        data=("x_t", "predicted_noise", "noise"),
        rows=("alpha", "alpha_bar", "sigma"),
        learned=("noise", "alpha", "alpha_bar", "sigma"),
        results={"x_prev": "like"},
    ),
]
