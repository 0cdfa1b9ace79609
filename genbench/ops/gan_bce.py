"""Cross-entropy losses of a GAN, from logits. Goodfellow et al. 2014, section 3; noisy labels."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genbench.ops import checks
from genbench.ops.backend import fused_for
from genbench.ops.extension import register_fake
from genbench.ops.gradients import differentiated_again
from genbench.ops.noise import (
    Draw,
    check_source,
    resolve_seed,
    uniform,
    uniform_reference,
    wide_on,
)

Target = float | tuple[float, float] | Tensor
Range = (tuple, list)


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
    seed = _check(real, fake, targets, flip_probability, seed, generator)
    if _served(real, fake, targets):
        options = (*_source(real_target), *_source(fake_target), flip_probability, seed)
        if checks.needs_graph(real, fake):
            return _FusedDiscriminator.apply(real, fake, *options)
        raw = torch.ops.genbench.discriminator_bce_forward
        return raw(real, fake, *options, False, False)[0]
    return _discriminator(real, fake, targets, flip_probability, seed, uniform)


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
    seed = _check(real, fake, targets, flip_probability, seed, generator)
    return _discriminator(real, fake, targets, flip_probability, seed, uniform_reference)


def generator_bce(*, fake: Tensor, saturating: bool = False) -> Tensor:
    """mean(softplus(-fake)), the non-saturating loss, or mean(-softplus(fake)), in nats.

    fake: logits, floating, any shape that is not empty. saturating: the minimax game's own loss.
    Returns: 0-d; float64 for float64 logits, else float32. Errors: TypeError, ValueError.
    Source: Goodfellow et al. 2014, section 3 (-log D, or log(1 - D)).
    """
    _check_logits("fake", fake)
    checks.check_flag("saturating", saturating)
    if not fused_for("generator_bce", fake):
        return generator_bce_reference(fake=fake, saturating=saturating)
    if checks.needs_graph(fake):
        return _FusedGenerator.apply(fake, saturating)
    return torch.ops.genbench.generator_bce_forward(fake, saturating, False)[0]


def generator_bce_reference(*, fake: Tensor, saturating: bool = False) -> Tensor:
    """`generator_bce` by plain torch operations."""
    _check_logits("fake", fake)
    checks.check_flag("saturating", saturating)
    x = fake.to(checks.wide_dtype(fake.dtype))
    return -_softplus(x).mean() if saturating else _softplus(-x).mean()


def _check(
    real: Tensor,
    fake: Tensor,
    targets: tuple[Target, Target],
    flip_probability: float,
    seed: Tensor | None,
    generator: torch.Generator | None,
) -> Tensor | None:
    """Refuses unfit arguments; the seed to draw from, drawn itself only where it is needed."""
    _check_logits("real", real)
    _check_logits("fake", fake)
    checks.check_device("fake", fake, "real", real)
    _check_target("real_target", targets[0], "real", real)
    _check_target("fake_target", targets[1], "fake", fake)
    checks.check_number("flip_probability", flip_probability, 0, 1)
    check_source(seed, generator, device=real.device)
    if flip_probability > 0 or isinstance(targets[0], Range) or isinstance(targets[1], Range):
        return resolve_seed(seed, generator, device=real.device)
    return seed


def _discriminator(
    real: Tensor,
    fake: Tensor,
    targets: tuple[Target, Target],
    flip_probability: float,
    seed: Tensor | None,
    draw: Draw,
) -> Tensor:
    real_t = _targets(real, targets[0], flip_probability, seed, 0, draw)
    fake_t = _targets(fake, targets[1], flip_probability, seed, 2, draw)
    return _bce(real, real_t) + _bce(fake, fake_t)


def _targets(
    x: Tensor, target: Target, flip: float, seed: Tensor | None, stream: int, draw: Draw
) -> float | Tensor:
    """A number, or a tensor like the logits x, with the logits' own targets drawn and flipped."""
    if isinstance(target, Range):
        low, high = target
        u = draw(x.shape, seed=seed, stream=stream, dtype=checks.wide_dtype(x.dtype))
        target = low + (high - low) * u
    if flip == 0:
        return target
    wide = checks.wide_dtype(x.dtype)  # in half precision 1 - target would round
    target = target.to(wide) if isinstance(target, Tensor) else x.new_full((), target, dtype=wide)
    # Flips compare in float64: in float32 noise may round to 1, and a certain flip would be missed.
    flipped = draw(x.shape, seed=seed, stream=stream + 1, dtype=wide_on(x.device)) < flip
    return torch.where(flipped, 1 - target, target)


def _bce(x: Tensor, t: float | Tensor) -> Tensor:
    x = x.to(checks.wide_dtype(x.dtype))
    if not isinstance(t, Tensor) and t in (0, 1):  # one term: the other is 0, or 0 * inf
        return _softplus(-x if t else x).mean()
    if isinstance(t, Tensor):
        t = t.to(x.dtype)
    return (_share(1 - t, _softplus(x)) + _share(t, _softplus(-x))).mean()


def _share(weight: float | Tensor, term: Tensor) -> Tensor:
    """weight * term; an infinite term without weight counts as 0, as the limit does."""
    if isinstance(weight, Tensor):
        term = torch.where((weight == 0) & term.isinf(), 0, term)
    return weight * term


def _softplus(x: Tensor) -> Tensor:
    # torch's default threshold of 20 drops 2e-9, which float64 still sees; beyond 40 it does not.
    return F.softplus(x, threshold=40.0)


def _check_logits(name: str, logits: Tensor) -> None:
    checks.check_float(name, logits)
    checks.check_not_empty(name, logits)


def _check_target(name: str, target: Target, logits_name: str, logits: Tensor) -> None:
    if isinstance(target, Tensor):
        checks.check_like(name, target, logits_name, logits)
    elif isinstance(target, Range):
        if len(target) != 2:
            raise ValueError(f"{name} must be (low, high), got {target}")
        checks.check_number(f"{name}'s low", target[0], 0, 1)
        checks.check_number(f"{name}'s high", target[1], target[0], 1)
    else:
        checks.check_number(name, target, 0, 1)


def _served(real: Tensor, fake: Tensor, targets: tuple[Target, Target]) -> bool:
    """Whether the kernel runs: for one dtype, and not for the gradient of targets."""
    if real.dtype != fake.dtype or not fused_for("discriminator_bce", real, fake):
        return False
    for target in targets:
        if isinstance(target, Tensor) and (
            target.dtype != real.dtype or checks.needs_graph(target)
        ):
            return False
    return True


def _source(target: Target) -> tuple[Tensor | None, float, float]:
    """A target as the kernel takes it: the tensor, low and high; low is high for a number."""
    if isinstance(target, Tensor):
        return target, 0.0, 0.0
    return (None, *target) if isinstance(target, Range) else (None, target, target)


def _target(given: Tensor | None, low: float, high: float) -> Target:
    """The inverse of `_source`."""
    if given is not None:
        return given
    return (low, high) if low < high else low


@register_fake("discriminator_bce_forward")
def _discriminator_shapes(
    real: Tensor, fake: Tensor, *options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    *_, real_gradients, fake_gradients = options
    loss = real.new_empty((), dtype=checks.wide_dtype(real.dtype))
    return loss, _slope_like(real, real_gradients), _slope_like(fake, fake_gradients)


@register_fake("generator_bce_forward")
def _generator_shapes(fake: Tensor, saturating: bool, gradients: bool) -> tuple[Tensor, Tensor]:
    loss = fake.new_empty((), dtype=checks.wide_dtype(fake.dtype))
    return loss, _slope_like(fake, gradients)


@register_fake("gan_bce_backward")
def _backward_shapes(grad_loss: Tensor, *slopes: Tensor | None) -> tuple[Tensor, ...]:
    return tuple(grad_loss.new_empty(0) if s is None else s.new_empty(s.shape) for s in slopes)


def _slope_like(logits: Tensor, wanted: bool) -> Tensor:
    return logits.new_empty(logits.shape if wanted else (0,))


class _FusedDiscriminator(torch.autograd.Function):
    """The forward kernel writes the slopes sigmoid(x) - t too, and backward scales them; it is a
    formula of torch operations where a second derivative is wanted."""

    @staticmethod
    def forward(ctx: Any, real: Tensor, fake: Tensor, *options: Any) -> Tensor:
        loss, *slopes = torch.ops.genbench.discriminator_bce_forward(
            real, fake, *options, *ctx.needs_input_grad[:2]
        )
        real_t, real_low, real_high, fake_t, fake_low, fake_high, flip, seed = options
        ctx.save_for_backward(real, fake, real_t, fake_t, seed, *slopes)
        ctx.numbers = (real_low, real_high, fake_low, fake_high, flip)
        return loss

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        real, fake, real_t, fake_t, seed, real_slope, fake_slope = ctx.saved_tensors
        by_real, by_fake, *_ = ctx.needs_input_grad
        if differentiated_again():
            *bounds, flip = ctx.numbers
            real_t = _targets(real, _target(real_t, *bounds[:2]), flip, seed, 0, uniform)
            fake_t = _targets(fake, _target(fake_t, *bounds[2:]), flip, seed, 2, uniform)
            grad_real, grad_fake = _slope(real, real_t, grad_loss), _slope(fake, fake_t, grad_loss)
        else:
            grad_real, grad_fake = torch.ops.genbench.gan_bce_backward(
                grad_loss, real_slope if by_real else None, fake_slope if by_fake else None
            )
        return grad_real if by_real else None, grad_fake if by_fake else None, *(None,) * 8


class _FusedGenerator(torch.autograd.Function):
    """As for the discriminator: the losses are bce(fake, 1) and, saturating, -bce(fake, 0)."""

    @staticmethod
    def forward(ctx: Any, fake: Tensor, saturating: bool) -> Tensor:
        loss, slope = torch.ops.genbench.generator_bce_forward(fake, saturating, True)
        ctx.save_for_backward(fake, slope)
        ctx.saturating = saturating
        return loss

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None]:
        fake, slope = ctx.saved_tensors
        if differentiated_again():
            saturating = ctx.saturating
            return _slope(fake, 1 - saturating, -grad_loss if saturating else grad_loss), None
        return torch.ops.genbench.gan_bce_backward(grad_loss, None, slope)[1], None


def _slope(x: Tensor, t: float | Tensor, grad_loss: Tensor) -> Tensor:
    """The gradient of grad_loss * mean(bce(x, t)) as a differentiable expression."""
    wide = x.to(checks.wide_dtype(x.dtype))
    if isinstance(t, Tensor):
        t = t.to(wide.dtype)
    by_x = (1 - t) * torch.sigmoid(wide) - t * torch.sigmoid(-wide)
    return (by_x * (grad_loss / x.numel())).to(x.dtype)
