"""Points on the segments between real and fake samples. Gulrajani et al. 2017, arXiv 1704.00028."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from genbench.ops import checks
from genbench.ops.backend import fused_for
from genbench.ops.extension import register_fake
from genbench.ops.gradients import linear_gradients, needed_like
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
    Differentiable twice in real, fake and alpha.
    Errors: TypeError, ValueError for an argument outside these rules, or for two of alpha, seed
        and generator.
    Source: Gulrajani et al. 2017, algorithm 1, line 6.
    """
    seed = _check(real, fake, alpha, seed, generator)
    weight, number = checks.split(alpha)
    learned = checks.needs_graph(weight)
    if learned or real.dtype != fake.dtype or not fused_for("interpolate", real, fake):
        return _formula(real, fake, alpha, seed, uniform)
    if checks.needs_graph(real, fake):
        return _Fused.apply(real, fake, weight, number, seed)
    return torch.ops.genbench.interpolate(real, fake, weight, number, seed)


def interpolate_reference(
    *,
    real: Tensor,
    fake: Tensor,
    alpha: checks.Coefficient | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`interpolate` by plain torch operations, noise included."""
    seed = _check(real, fake, alpha, seed, generator)
    return _formula(real, fake, alpha, seed, uniform_reference)


def _check(
    real: Tensor,
    fake: Tensor,
    alpha: checks.Coefficient | None,
    seed: Tensor | None,
    generator: torch.Generator | None,
) -> Tensor | None:
    """Refuses unfit arguments; the seed to draw from, None where alpha is given."""
    checks.check_batch("real", real)
    checks.check_like("fake", fake, "real", real)
    check_source(seed, generator, device=real.device, given=("alpha", alpha))
    if alpha is None:
        return resolve_seed(seed, generator, device=real.device)
    checks.check_coefficient("alpha", alpha, real, 0, 1)
    return None


def _formula(
    real: Tensor,
    fake: Tensor,
    alpha: checks.Coefficient | None,
    seed: Tensor | None,
    draw: Draw,
) -> Tensor:
    dtype = torch.promote_types(real.dtype, fake.dtype)
    wide = checks.wide_dtype(dtype)
    by_real, by_fake = _weights(real, alpha, seed, draw, wide)
    return (by_real * real.to(wide) + by_fake * fake.to(wide)).to(dtype)


def _weights(
    x: Tensor, alpha: checks.Coefficient | None, seed: Tensor | None, draw: Draw, wide: torch.dtype
) -> tuple[checks.Coefficient, checks.Coefficient]:
    """alpha and 1 - alpha, ready to multiply x (B, ...)."""
    if alpha is None:
        alpha = draw(x.shape[:1], seed=seed, dtype=wide)
    alpha = checks.exact(alpha, wide)
    return checks.spread(alpha, x, wide), checks.spread(1 - alpha, x, wide)


@register_fake("interpolate")
def _point_shape(real: Tensor, *others: Any) -> Tensor:
    return real.new_empty(real.shape)


register_fake("interpolate_backward")(needed_like)


class _Fused(torch.autograd.Function):
    """The kernel, and the gradients alpha g and (1 - alpha) g."""

    @staticmethod
    def forward(
        ctx: Any,
        real: Tensor,
        fake: Tensor,
        alpha: Tensor | None,
        number: float,
        seed: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(alpha, seed)
        ctx.number = number
        return torch.ops.genbench.interpolate(real, fake, alpha, number, seed)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (alpha, seed), number = ctx.saved_tensors, ctx.number
        kernel = partial(torch.ops.genbench.interpolate_backward, grad, alpha, number, seed)

        def formula(g: Tensor) -> list[Tensor]:
            value = number if alpha is None and seed is None else alpha
            return [weight * g for weight in _weights(g, value, seed, uniform, g.dtype)]

        needed = linear_gradients(ctx.needs_input_grad[:2], grad, kernel, formula)
        return *needed, None, None, None
