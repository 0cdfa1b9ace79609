"""Penalties on the norm of a critic's gradient: WGAN-GP, R1, R2.

Gulrajani et al. 2017, arXiv 1704.00028; Mescheder et al. 2018, arXiv 1801.04406.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench.ops import checks
from genbench.ops.backend import fused_for
from genbench.ops.extension import register_fake
from genbench.ops.gradients import differentiated_again
from genbench.ops.interpolate import interpolate, interpolate_reference
from genbench.ops.noise import check_source

Critic = Callable[[Tensor], Tensor]


def gradient_norm_penalty(
    gradients: Tensor, *, center: float = 1.0, one_sided: bool = False
) -> Tensor:
    """Mean over samples of (||g|| - center)^2, or of max(0, ||g|| - center)^2 when one-sided.

    Args:
        gradients: (B, ...), floating, not empty; a sample's norm runs over all its elements.
        center: at least 0; 0 gives the mean of ||g||^2 (R1 and R2, without their gamma / 2).
        one_sided: only norms above the center count.

    Returns: 0-d; float64 for float64 gradients, else float32. At a zero gradient, where the
        square root has no slope, its derivatives count as 0, so those of the penalty are finite;
        a norm up to 1e-19 (1.5e-154 in float64) counts as zero.
    Errors: TypeError, ValueError for an argument outside these rules.
    Source: Gulrajani et al. 2017, equation 3; Mescheder et al. 2018, equation 9.
    """
    _check(gradients, center, one_sided)
    if not fused_for("gradient_norm_penalty", gradients):
        return _formula(gradients, center, one_sided)
    if checks.needs_graph(gradients):
        return _Fused.apply(gradients, center, one_sided)
    raw = torch.ops.genbench.gradient_norm_penalty_forward
    return raw(gradients, center, one_sided, False)[0]


def gradient_norm_penalty_reference(
    gradients: Tensor, *, center: float = 1.0, one_sided: bool = False
) -> Tensor:
    """`gradient_norm_penalty` by plain torch operations."""
    _check(gradients, center, one_sided)
    return _formula(gradients, center, one_sided)


def _check(gradients: Tensor, center: float, one_sided: bool) -> None:
    checks.check_batch("gradients", gradients)
    checks.check_not_empty("gradients", gradients)
    _check_center(center, one_sided)


def _formula(gradients: Tensor, center: float, one_sided: bool) -> Tensor:
    rows = gradients.shape[0]  # len() would make it a constant of an exported program
    g = gradients.to(checks.wide_dtype(gradients.dtype)).reshape(rows, -1)  # (B, n)
    squares = g.square().sum(1)
    if center == 0:
        return squares.mean()
    norm, zero = _norm(g)
    excess = norm - center
    if one_sided:
        return excess.clamp(min=0).square().mean()
    return torch.where(zero, squares + center * center, excess.square()).mean()


def gradient_penalty(
    critic: Critic,
    *,
    real: Tensor | None = None,
    fake: Tensor | None = None,
    alpha: checks.Coefficient | None = None,
    center: float = 1.0,
    one_sided: bool = False,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`gradient_norm_penalty` of the critic's gradient at real, fake or interpolated points.

    Args:
        critic: (B, ...) -> logits of any shape whose first dimension is B; their sum is
            differentiated, so that one sample's logits must not depend on another sample.
        real, fake: (B, ...), floating. real alone: the point of R1; fake alone: of R2; both:
            points between them, as `interpolate` draws them. No gradient flows into them.
        alpha, seed, generator: as for `interpolate`; alpha only with both.
        center, one_sided: as for `gradient_norm_penalty`.

    Returns: 0-d, differentiable by the critic's parameters; under torch.no_grad a plain number.
    Errors: TypeError, ValueError for an argument outside these rules, or for a critic whose
        output does not depend on its input.
    Source: Gulrajani et al. 2017, algorithm 1; Mescheder et al. 2018, equations 9 and 10.
    """
    points = _points(real, fake, alpha, seed, generator, interpolate)
    _check_center(center, one_sided)
    gradients = _gradients(critic, points)
    return gradient_norm_penalty(gradients, center=center, one_sided=one_sided)


def gradient_penalty_reference(
    critic: Critic,
    *,
    real: Tensor | None = None,
    fake: Tensor | None = None,
    alpha: checks.Coefficient | None = None,
    center: float = 1.0,
    one_sided: bool = False,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`gradient_penalty` by plain torch operations, noise included."""
    points = _points(real, fake, alpha, seed, generator, interpolate_reference)
    _check_center(center, one_sided)
    gradients = _gradients(critic, points)
    return gradient_norm_penalty_reference(gradients, center=center, one_sided=one_sided)


def _norm(g: Tensor) -> tuple[Tensor, Tensor]:
    """Norms (B,) of the rows of g, and which of them count as zero.

    Each row is scaled by its largest element: squares of small numbers would underflow, and the
    slopes of their root overflow. Below the root of the smallest float a norm is zero: from there
    on 1 / norm^2, which the third derivative holds, would overflow.
    """
    tiny = torch.finfo(g.dtype).tiny
    largest = g.detach().abs().amax(1, keepdim=True)  # (B, 1)
    scale = torch.where((largest > tiny) & largest.isfinite(), largest, 1)  # NaN stays in g
    squares = (g / scale).square().sum(1)
    scale = scale.squeeze(1)
    zero = scale * squares.detach().sqrt() <= tiny**0.5
    return torch.where(zero, 0, scale * torch.where(zero, 1, squares).sqrt()), zero


@register_fake("gradient_norm_penalty_forward")
def _forward_shapes(
    gradients: Tensor, center: float, one_sided: bool, slopes: bool
) -> tuple[Tensor, Tensor]:
    penalty = gradients.new_empty((), dtype=checks.wide_dtype(gradients.dtype))
    rows = gradients.shape[0] if slopes else 0
    return penalty, gradients.new_empty(rows, dtype=torch.float64)


@register_fake("gradient_norm_penalty_backward")
def _backward_shapes(grad_penalty: Tensor, gradients: Tensor, slope: Tensor) -> Tensor:
    return gradients.new_empty(gradients.shape)


class _Fused(torch.autograd.Function):
    """The kernels; the formula's own derivative where a second one is wanted."""

    @staticmethod
    def forward(ctx: Any, gradients: Tensor, center: float, one_sided: bool) -> Tensor:
        raw = torch.ops.genbench.gradient_norm_penalty_forward
        penalty, slope = raw(gradients, center, one_sided, True)
        ctx.save_for_backward(gradients, slope)
        ctx.options = (center, one_sided)
        return penalty

    @staticmethod
    def backward(ctx: Any, grad_penalty: Tensor) -> tuple[Tensor, None, None]:
        gradients, slope = ctx.saved_tensors
        if differentiated_again():
            penalty = _formula(gradients, *ctx.options)
            (by_g,) = torch.autograd.grad(penalty, gradients, grad_penalty, create_graph=True)
            return by_g, None, None
        raw = torch.ops.genbench.gradient_norm_penalty_backward
        return raw(grad_penalty, gradients, slope), None, None


def _points(
    real: Tensor | None,
    fake: Tensor | None,
    alpha: checks.Coefficient | None,
    seed: Tensor | None,
    generator: torch.Generator | None,
    between: Callable[..., Tensor],
) -> Tensor:
    """Where the critic is differentiated, (B, ...), detached."""
    if real is not None and fake is not None:
        points = between(real=real, fake=fake, alpha=alpha, seed=seed, generator=generator)
        return points.detach()
    name, points = ("fake", fake) if real is None else ("real", real)
    if points is None:
        raise ValueError("real or fake must be given, got neither")
    if alpha is not None:
        raise ValueError(f"alpha needs both real and fake, got {name} alone")
    checks.check_batch(name, points)
    check_source(seed, generator, device=points.device)
    return points.detach()


def _gradients(critic: Critic, points: Tensor) -> Tensor:
    """The gradient (B, ...) of the summed logits; it has a graph where gradients are enabled."""
    if not callable(critic):
        raise TypeError(f"critic must be callable, got {type(critic).__name__}")
    checks.check_not_empty("real or fake", points)
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return torch.func.grad(lambda x: _logits(critic, x).sum())(points)
    if torch.is_inference_mode_enabled():
        raise ValueError("gradient_penalty needs gradients, got torch.inference_mode: use no_grad")
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        logits = _logits(critic, points.requires_grad_())
        if not logits.requires_grad:
            raise ValueError("critic's output must depend on its input, got a constant")
        (gradients,) = torch.autograd.grad(
            logits.sum(), points, create_graph=create_graph, allow_unused=True
        )
    if gradients is None:
        raise ValueError("critic's output must depend on its input, got one that does not")
    return gradients


def _logits(critic: Critic, points: Tensor) -> Tensor:
    logits = critic(points)
    checks.check_batch("critic's output", logits)
    rows = points.shape[0]
    if logits.shape[0] != rows:
        raise ValueError(f"critic's output must have {rows} rows, got {tuple(logits.shape)}")
    return logits


def _check_center(center: float, one_sided: bool) -> None:
    checks.check_number("center", center, 0, ends="[)")
    checks.check_flag("one_sided", one_sided)
