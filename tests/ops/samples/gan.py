"""Samples and oracles of the cross-entropies and of the gradient penalties."""

import torch
from torch import Tensor
from torch.distributions import Bernoulli

from . import philox
from .operation import Arguments, Operation, between, key, normals, shard


def entropy(logits: Tensor, target, flip: float, seed: Tensor | None, stream: int) -> Tensor:
    """Mean cross-entropy by the log-probabilities of a Bernoulli's two outcomes."""
    if isinstance(target, tuple):
        low, high = target
        target = low + (high - low) * philox.noise("uniform", logits.shape, seed, stream)
    t = torch.as_tensor(target, dtype=torch.float64).expand_as(logits)
    if flip:
        t = torch.where(philox.noise("uniform", logits.shape, seed, stream + 1) < flip, 1 - t, t)
    outcome = Bernoulli(logits=logits, validate_args=False)
    ones, zeros = torch.ones_like(logits), torch.zeros_like(logits)
    return -(t * outcome.log_prob(ones) + (1 - t) * outcome.log_prob(zeros)).mean()


def discriminator(real, fake, real_target=1.0, fake_target=0.0, flip_probability=0.0, seed=None):
    by_real = entropy(real, real_target, flip_probability, seed, 0)
    return (by_real + entropy(fake, fake_target, flip_probability, seed, 2),)


def generator(fake: Tensor, saturating: bool = False):
    plain = entropy(fake, 1.0, 0.0, None, 0)
    return (-entropy(fake, 0.0, 0.0, None, 0) if saturating else plain,)


def logits(shape, g, scale=3.0, **options) -> Arguments:
    """Two tensors of different shapes."""
    fake = (*shape[:-1], shape[-1] + 2)
    return {"real": scale * normals(shape, g), "fake": scale * normals(fake, g), **options}


def noisy(shape, g, **options) -> Arguments:
    return logits(shape, g, seed=shard(g), **options)


def tensor_targets(shape, g, **options) -> Arguments:
    arguments = logits(shape, g, **options)
    arguments["real_target"] = between(0, 1, arguments["real"].shape, g)
    arguments["fake_target"] = between(0, 1, arguments["fake"].shape, g)
    return arguments


def norms(gradients: Tensor) -> Tensor:
    return torch.linalg.vector_norm(gradients.reshape(len(gradients), -1), dim=1)


def norm_penalty(gradients: Tensor, center: float = 1.0, one_sided: bool = False):
    excess = norms(gradients) - center
    return ((excess.relu() if one_sided else excess).square().mean(),)


def parabola(slope: Tensor):
    """A critic with gradient slope * x, in float64 inside: no rounding but the points' own."""
    return lambda x: 0.5 * slope.double() * x.double().square().reshape(len(x), -1).sum(1)


def call_penalty(api, slope: Tensor, **arguments) -> Tensor:
    return api.gradient_penalty(parabola(slope), **arguments)


def penalty(slope, real=None, fake=None, alpha=None, seed=None, center=1.0, one_sided=False):
    if real is None or fake is None:
        points = fake if real is None else real
    else:
        if alpha is None:
            alpha = philox.noise("uniform", (len(real),), seed)
        weight = torch.as_tensor(alpha, dtype=torch.float64)
        weight = weight.reshape(-1, *[1] * (real.ndim - 1)) if weight.ndim else weight
        points = torch.lerp(fake, real, weight)
    assert points is not None
    return norm_penalty(slope * points.detach(), center, one_sided)


def points(shape, g, *names, **options) -> Arguments:
    slope = between(0.5, 1.5, (), g)
    return {"slope": slope, **{name: normals(shape, g) for name in names}, **options}


def both(shape, g, **options) -> Arguments:
    return points(shape, g, "real", "fake", **options)


OPERATIONS = [
    Operation(
        name="discriminator_bce",
        variants={
            "plain": logits,
            "smooth": lambda s, g: logits(s, g, real_target=0.9, fake_target=0.1),
            "range": lambda s, g: noisy(s, g, real_target=(0.7, 0.9), fake_target=(0.0, 0.3)),
            "one range": lambda s, g: noisy(s, g, fake_target=(0.0, 0.3)),
            "flips": lambda s, g: logits(s, g, flip_probability=0.2, seed=key(g)),
            "both": lambda s, g: noisy(s, g, real_target=(0.7, 1.0), flip_probability=0.3),
            "tensors": tensor_targets,
            "flipped tensors": lambda s, g: tensor_targets(
                s, g, flip_probability=0.4, seed=shard(g)
            ),
            "tails": lambda s, g: logits(s, g, scale=30.0),
        },
        oracle=discriminator,
        results={"loss": "wide"},
        data=("real", "fake", "real_target", "fake_target"),
        constant=("real_target", "fake_target"),
        takes_empty=False,
    ),
    Operation(
        name="generator_bce",
        variants={
            "plain": lambda s, g: {"fake": 3 * normals(s, g)},
            "saturating": lambda s, g: {"fake": 3 * normals(s, g), "saturating": True},
            "tails": lambda s, g: {"fake": 30 * normals(s, g)},
        },
        oracle=generator,
        results={"loss": "wide"},
        data=("fake",),
        takes_empty=False,
    ),
    Operation(
        name="gradient_norm_penalty",
        variants={
            "WGAN-GP": lambda s, g: {"gradients": normals(s, g)},
            "R1": lambda s, g: {"gradients": normals(s, g), "center": 0.0},
            "integer": lambda s, g: {"gradients": normals(s, g), "center": 0},
            "one-sided": lambda s, g: {"gradients": normals(s, g), "one_sided": True},
            "high": lambda s, g: {"gradients": normals(s, g), "center": 3.0, "one_sided": True},
            "small": lambda s, g: {"gradients": 1e-3 * normals(s, g), "center": 0.5},
        },
        oracle=norm_penalty,
        results={"penalty": "wide"},
        data=("gradients",),
        takes_empty=False,
    ),
    Operation(
        name="gradient_penalty",
        variants={
            "key": lambda s, g: both(s, g, seed=key(g)),
            "R1": lambda s, g: points(s, g, "real", center=0.0),
            "R2": lambda s, g: points(s, g, "fake", center=0.0),
            "shard": lambda s, g: both(s, g, seed=shard(g), one_sided=True),
            "number": lambda s, g: both(s, g, alpha=0.25, center=0.5),
            "row": lambda s, g: both(s, g, alpha=between(0, 1, s[:1], g)),
        },
        oracle=penalty,
        results={"penalty": "wide"},
        call=call_penalty,
        data=("real", "fake"),
        constant=("real", "fake", "alpha"),
        rows=("slope", "alpha"),
        takes_empty=False,
        roundoff_of_data=True,  # the points are rounded to the data's dtype
    ),
]
