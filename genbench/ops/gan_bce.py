"""Cross-entropy losses of a GAN, from logits. Goodfellow et al. 2014, section 3; noisy labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from genbench.ops import checks
from genbench.ops.noise import (
    Draw,
    check_source,
    resolve_seed,
    uniform,
    uniform_reference,
    wide_on,
)

Target = float | tuple[float, float] | Tensor


def discriminator_bce(
    *,
    real: Tensor,
    fake: Tensor,
    real_target: Target = 1.0,
    fake_target: Target = 0.0,
    flip_probability: float = 0.0,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """mean(bce(real, real_target)) + mean(bce(fake, fake_target)), in nats.

    bce(x, t) = (1 - t) softplus(x) + t softplus(-x). With plain targets the best discriminator
    reaches log 4 - 2 JSD, the negative of the game's value.

    Args:
        real, fake: logits, floating, any two shapes that are not empty, on one device.
        real_target, fake_target: a number in [0, 1], a range (low, high) from which every logit
            draws its own, or a floating tensor like the logits (contents are not checked).
        flip_probability: in [0, 1]; a flipped logit's target t becomes 1 - t.
        seed: int64 (1,) [key] or (2,) [key, number of the first logit]. Streams 0 and 1 are the
            real targets and flips, 2 and 3 the fake ones. Used only where something is drawn.
        generator: draws the key instead; neither given: torch's global generator does.

    Returns: 0-d; float64 if one of the logit tensors is, else float32.
    Errors: TypeError, ValueError for an argument outside these rules.
    Source: Goodfellow et al. 2014, equation 1 and theorem 1; smoothed targets Salimans et al.
        2016, section 3.4.
    """
    targets = (real_target, fake_target)
    return _discriminator(real, fake, targets, flip_probability, seed, generator, uniform)


def discriminator_bce_reference(
    *,
    real: Tensor,
    fake: Tensor,
    real_target: Target = 1.0,
    fake_target: Target = 0.0,
    flip_probability: float = 0.0,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`discriminator_bce` by plain torch operations, noise included."""
    targets = (real_target, fake_target)
    return _discriminator(real, fake, targets, flip_probability, seed, generator, uniform_reference)


def generator_bce(*, fake: Tensor, saturating: bool = False) -> Tensor:
    """mean(softplus(-fake)), the non-saturating loss, or mean(-softplus(fake)), in nats.

    fake: logits, floating, any shape that is not empty. saturating: the minimax game's own loss.
    Returns: 0-d; float64 for float64 logits, else float32. Errors: TypeError, ValueError.
    Source: Goodfellow et al. 2014, section 3 (-log D, or log(1 - D)).
    """
    return generator_bce_reference(fake=fake, saturating=saturating)


def generator_bce_reference(*, fake: Tensor, saturating: bool = False) -> Tensor:
    """`generator_bce` by plain torch operations."""
    _check_logits("fake", fake)
    checks.check_flag("saturating", saturating)
    x = fake.to(checks.wide_dtype(fake.dtype))
    return -_softplus(x).mean() if saturating else _softplus(-x).mean()


def _discriminator(
    real: Tensor,
    fake: Tensor,
    targets: tuple[Target, Target],
    flip_probability: float,
    seed: Tensor | None,
    generator: torch.Generator | None,
    draw: Draw,
) -> Tensor:
    _check_logits("real", real)
    _check_logits("fake", fake)
    checks.check_device("fake", fake, "real", real)
    _check_target("real_target", targets[0], "real", real)
    _check_target("fake_target", targets[1], "fake", fake)
    checks.check_number("flip_probability", flip_probability, 0, 1)
    check_source(seed, generator, device=real.device)
    if flip_probability > 0 or any(isinstance(target, (tuple, list)) for target in targets):
        seed = resolve_seed(seed, generator, device=real.device)
    real_t = _targets(real, targets[0], flip_probability, seed, 0, draw)
    fake_t = _targets(fake, targets[1], flip_probability, seed, 2, draw)
    return _bce(real, real_t) + _bce(fake, fake_t)


def _targets(
    x: Tensor, target: Target, flip: float, seed: Tensor | None, stream: int, draw: Draw
) -> float | Tensor:
    """A number, or a tensor like the logits x, with the logits' own targets drawn and flipped."""
    if isinstance(target, (tuple, list)):
        low, high = target
        u = draw(x.shape, seed=seed, stream=stream, dtype=checks.wide_dtype(x.dtype))
        target = low + (high - low) * u
    if flip == 0:
        return target
    if not isinstance(target, Tensor):
        target = torch.full_like(x, target, dtype=checks.wide_dtype(x.dtype))
    # Flips compare in float64: in float32 noise may round to 1, and a certain flip would be missed.
    flipped = draw(x.shape, seed=seed, stream=stream + 1, dtype=wide_on(x.device)) < flip
    return torch.where(flipped, 1 - target, target)


def _bce(x: Tensor, t: float | Tensor) -> Tensor:
    x = x.to(checks.wide_dtype(x.dtype))
    if not isinstance(t, Tensor) and t in (0, 1):  # one term: the other is 0, or 0 * inf
        return _softplus(-x if t else x).mean()
    if isinstance(t, Tensor):
        t = t.to(x.dtype)
    return ((1 - t) * _softplus(x) + t * _softplus(-x)).mean()


def _softplus(x: Tensor) -> Tensor:
    # torch's default threshold of 20 drops 2e-9, which float64 still sees; beyond 40 it does not.
    return F.softplus(x, threshold=40.0)


def _check_logits(name: str, logits: Tensor) -> None:
    checks.check_float(name, logits)
    checks.check_not_empty(name, logits)


def _check_target(name: str, target: Target, logits_name: str, logits: Tensor) -> None:
    if isinstance(target, Tensor):
        checks.check_like(name, target, logits_name, logits)
    elif isinstance(target, (tuple, list)):
        if len(target) != 2:
            raise ValueError(f"{name} must be (low, high), got {target}")
        checks.check_number(f"{name}'s low", target[0], 0, 1)
        checks.check_number(f"{name}'s high", target[1], target[0], 1)
    else:
        checks.check_number(name, target, 0, 1)
