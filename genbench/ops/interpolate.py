"""Points on the segments between real and fake samples. Gulrajani et al. 2017, arXiv 1704.00028."""

import torch
from torch import Tensor

from genbench.ops import checks
from genbench.ops.noise import Draw, check_source, resolve_seed, uniform, uniform_reference


def interpolate(
    *,
    real: Tensor,
    fake: Tensor,
    alpha: checks.Coefficient | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """alpha real + (1 - alpha) fake, with one alpha a sample, uniform on (0, 1).

    Args:
        real, fake: (B, ...), floating, one shape and device.
        alpha: a number in [0, 1], or a floating tensor () or (B,) (contents are not checked).
        seed: int64 (1,) [key] or (2,) [key, number of the first sample].
        generator: draws the key instead; none of the three: torch's global generator does.

    Returns: (B, ...) of the wider dtype of both, computed in at least float32.
    Errors: TypeError, ValueError for an argument outside these rules, or for two of alpha, seed
        and generator.
    Source: Gulrajani et al. 2017, algorithm 1, line 6.
    """
    return _interpolate(real, fake, alpha, seed, generator, uniform)


def interpolate_reference(
    *,
    real: Tensor,
    fake: Tensor,
    alpha: checks.Coefficient | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`interpolate` by plain torch operations, noise included."""
    return _interpolate(real, fake, alpha, seed, generator, uniform_reference)


def _interpolate(
    real: Tensor,
    fake: Tensor,
    alpha: checks.Coefficient | None,
    seed: Tensor | None,
    generator: torch.Generator | None,
    draw: Draw,
) -> Tensor:
    checks.check_batch("real", real)
    checks.check_like("fake", fake, "real", real)
    check_source(seed, generator, device=real.device, given=("alpha", alpha))
    dtype = torch.promote_types(real.dtype, fake.dtype)
    wide = checks.wide_dtype(dtype)
    if alpha is None:
        seed = resolve_seed(seed, generator, device=real.device)
        alpha = draw(len(real), seed=seed, dtype=wide)
    else:
        checks.check_coefficient("alpha", alpha, real, 0, 1)
    a, b = (checks.spread(weight, real, wide) for weight in (alpha, 1 - alpha))
    return (a * real.to(wide) + b * fake.to(wide)).to(dtype)
