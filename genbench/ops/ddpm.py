"""Steps of a denoising diffusion model, forward and reverse. Ho et al. 2020, arXiv 2006.11239."""

import math
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from genbench.ops import checks
from genbench.ops.backend import fused_for
from genbench.ops.extension import register_fake
from genbench.ops.gradients import linear_gradients, needed_like
from genbench.ops.noise import Draw, check_source, normal, normal_reference, resolve_seed

# alpha, alpha_bar, sigma
Schedule = tuple[checks.Coefficient, checks.Coefficient, checks.Coefficient]


def ddpm_add_noise(
    x0: Tensor,
    alpha_bar: checks.Coefficient,
    *,
    noise: Tensor | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise, a draw of q(x_t | x0), and the noise.

    Args:
        x0: (B, ...), floating.
        alpha_bar: a number in [0, 1], or a floating tensor () or (B,) (contents are not checked).
        noise: (B, ...) like x0, any floating dtype.
        seed: int64 (1,) [key] or (2,) [key, number of the first element].
        generator: draws the key instead; none of the three: torch's global generator does.

    Returns: x_t (B, ...) of x0's dtype, computed in at least float32; the noise, as given or
        drawn in x0's dtype.
    Errors: TypeError, ValueError for an argument outside these rules, or for two of noise, seed
        and generator.
    Source: Ho et al. 2020, equation 4.
    """
    seed = _check_add_noise(x0, alpha_bar, noise, seed, generator)
    bar, number = checks.split(alpha_bar)
    alike = noise is None or noise.dtype == x0.dtype
    if not alike or checks.needs_graph(bar) or not fused_for("ddpm_add_noise", x0, noise):
        return _noised(x0, alpha_bar, noise, seed, normal)
    if checks.needs_graph(x0, noise):
        x_t, drawn = _AddNoise.apply(x0, noise, seed, bar, number)
        return x_t, drawn if noise is None else noise
    if noise is None:
        return torch.ops.genbench.ddpm_draw_noise(x0, seed, bar, number)
    return torch.ops.genbench.ddpm_add_noise(x0, noise, bar, number), noise


def ddpm_step(
    x_t: Tensor,
    predicted_noise: Tensor,
    *,
    alpha: checks.Coefficient,
    alpha_bar: checks.Coefficient,
    sigma: checks.Coefficient,
    noise: Tensor | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """x_{t-1} = (x_t - (1 - alpha) / sqrt(1 - alpha_bar) predicted_noise) / sqrt(alpha) + sigma z.

    Args:
        x_t: (B, ...), floating. predicted_noise: (B, ...) like x_t, any floating dtype.
        alpha: alpha_t = 1 - beta_t, a number in (0, 1], or a floating tensor () or (B,).
        alpha_bar: the product of alpha_1 .. alpha_t, a number in [0, 1), or a tensor.
        sigma: at least 0, or a tensor. Where it is 0, as Algorithm 2 has it at t = 1, the result
            does not depend on the noise z; a number 0 draws none.
        noise: z, (B, ...) like x_t, any floating dtype.
        seed: int64 (1,) [key] or (2,) [key, number of the first element].
        generator: draws the key instead; none of the three: torch's global generator does.

    Returns: (B, ...) of x_t's dtype, computed in at least float32.
    Errors: TypeError, ValueError for an argument outside these rules, or for two of noise, seed
        and generator. The contents of tensors are not checked.
    Source: Ho et al. 2020, algorithm 2.
    """
    schedule = (alpha, alpha_bar, sigma)
    noise, seed = _check_step(x_t, predicted_noise, schedule, noise, seed, generator)
    split = (*checks.split(alpha), *checks.split(alpha_bar), *checks.split(sigma))
    alike = predicted_noise.dtype == x_t.dtype and (noise is None or noise.dtype == x_t.dtype)
    learned = checks.needs_graph(split[0], split[2], split[4])
    if not alike or learned or not fused_for("ddpm_step", x_t, predicted_noise, noise):
        return _stepped(x_t, predicted_noise, schedule, noise, seed, normal)
    if checks.needs_graph(x_t, predicted_noise, noise):
        return _Step.apply(x_t, predicted_noise, noise, seed, *split)
    return torch.ops.genbench.ddpm_step(x_t, predicted_noise, *split, noise, seed)


def ddpm_add_noise_reference(
    x0: Tensor,
    alpha_bar: checks.Coefficient,
    *,
    noise: Tensor | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """`ddpm_add_noise` by plain torch operations, noise included."""
    seed = _check_add_noise(x0, alpha_bar, noise, seed, generator)
    return _noised(x0, alpha_bar, noise, seed, normal_reference)


def ddpm_step_reference(
    x_t: Tensor,
    predicted_noise: Tensor,
    *,
    alpha: checks.Coefficient,
    alpha_bar: checks.Coefficient,
    sigma: checks.Coefficient,
    noise: Tensor | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`ddpm_step` by plain torch operations, noise included."""
    schedule = (alpha, alpha_bar, sigma)
    noise, seed = _check_step(x_t, predicted_noise, schedule, noise, seed, generator)
    return _stepped(x_t, predicted_noise, schedule, noise, seed, normal_reference)


def _check_add_noise(
    x0: Tensor,
    alpha_bar: checks.Coefficient,
    noise: Tensor | None,
    seed: Tensor | None,
    generator: torch.Generator | None,
) -> Tensor | None:
    """Refuses unfit arguments; the seed to draw from, None where noise is given."""
    checks.check_batch("x0", x0)
    checks.check_coefficient("alpha_bar", alpha_bar, x0, 0, 1)
    check_source(seed, generator, device=x0.device, given=("noise", noise))
    if noise is None:
        return resolve_seed(seed, generator, device=x0.device)
    checks.check_like("noise", noise, "x0", x0)
    return None


def _check_step(
    x_t: Tensor,
    predicted_noise: Tensor,
    schedule: Schedule,
    noise: Tensor | None,
    seed: Tensor | None,
    generator: torch.Generator | None,
) -> tuple[Tensor | None, Tensor | None]:
    """Refuses unfit arguments; the noise, or the seed to draw it from; neither for a sigma of 0."""
    checks.check_batch("x_t", x_t)
    checks.check_like("predicted_noise", predicted_noise, "x_t", x_t)
    alpha, alpha_bar, sigma = schedule
    checks.check_coefficient("alpha", alpha, x_t, 0, 1, "(]")
    checks.check_coefficient("alpha_bar", alpha_bar, x_t, 0, 1, "[)")
    checks.check_coefficient("sigma", sigma, x_t, 0, math.inf, "[)")
    check_source(seed, generator, device=x_t.device, given=("noise", noise))
    if noise is not None:
        checks.check_like("noise", noise, "x_t", x_t)
    if not isinstance(sigma, Tensor) and sigma == 0:
        return None, None
    if noise is not None:
        return noise, None
    return None, resolve_seed(seed, generator, device=x_t.device)


def _noised(
    x0: Tensor,
    alpha_bar: checks.Coefficient,
    noise: Tensor | None,
    seed: Tensor | None,
    draw: Draw,
) -> tuple[Tensor, Tensor]:
    if noise is None:
        noise = draw(x0.shape, seed=seed, dtype=x0.dtype)
    wide = checks.wide_dtype(x0.dtype)
    signal, rest = _noising_weights(x0, alpha_bar, wide)
    return (signal * x0.to(wide) + rest * noise.to(wide)).to(x0.dtype), noise


def _noising_weights(
    x: Tensor, alpha_bar: checks.Coefficient, wide: torch.dtype
) -> tuple[checks.Coefficient, checks.Coefficient]:
    alpha_bar = checks.exact(alpha_bar, wide)
    signal, rest = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    return checks.spread(signal, x, wide), checks.spread(rest, x, wide)


def _stepped(
    x_t: Tensor,
    predicted_noise: Tensor,
    schedule: Schedule,
    noise: Tensor | None,
    seed: Tensor | None,
    draw: Draw,
) -> Tensor:
    wide = checks.wide_dtype(x_t.dtype)
    scale, part, sigma = _step_weights(x_t, schedule, wide)
    mean = scale * (x_t.to(wide) - part * predicted_noise.to(wide))
    if noise is None and seed is None:
        return mean.to(x_t.dtype)
    if noise is None:
        noise = draw(x_t.shape, seed=seed, dtype=wide)
    return (mean + _scaled(sigma, noise.to(wide))).to(x_t.dtype)


def _step_weights(
    x: Tensor, schedule: Schedule, wide: torch.dtype
) -> tuple[checks.Coefficient, checks.Coefficient, checks.Coefficient]:
    alpha, alpha_bar, sigma = (checks.exact(c, wide) for c in schedule)
    part = (1 - alpha) / (1 - alpha_bar) ** 0.5
    scale, part, sigma = (checks.spread(c, x, wide) for c in (alpha**-0.5, part, sigma))
    return scale, part, sigma


def _scaled(sigma: checks.Coefficient, noise: Tensor) -> Tensor:
    """sigma noise; where sigma is 0 the noise is not looked at: 0 * inf would be NaN."""
    if isinstance(sigma, Tensor):
        noise = torch.where(sigma == 0, 0, noise)
    return sigma * noise


register_fake("ddpm_add_noise_backward")(needed_like)
register_fake("ddpm_step_backward")(needed_like)


@register_fake("ddpm_add_noise")
@register_fake("ddpm_step")
def _like_the_first(x: Tensor, *others: Any) -> Tensor:
    return x.new_empty(x.shape)


@register_fake("ddpm_draw_noise")
def _like_the_first_twice(x0: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    return x0.new_empty(x0.shape), x0.new_empty(x0.shape)


class _AddNoise(torch.autograd.Function):
    """The kernels: x_t, and the noise where they draw it."""

    @staticmethod
    def forward(
        ctx: Any,
        x0: Tensor,
        noise: Tensor | None,
        seed: Tensor | None,
        bar: Tensor | None,
        number: float,
    ) -> tuple[Tensor, Tensor | None]:
        ctx.save_for_backward(bar)
        ctx.number = number
        if noise is not None:
            return torch.ops.genbench.ddpm_add_noise(x0, noise, bar, number), None
        x_t, drawn = torch.ops.genbench.ddpm_draw_noise(x0, seed, bar, number)
        ctx.mark_non_differentiable(drawn)
        return x_t, drawn

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
        (bar,), number = ctx.saved_tensors, ctx.number
        kernel = partial(torch.ops.genbench.ddpm_add_noise_backward, grad, bar, number)

        def formula(g: Tensor) -> list[Tensor]:
            weights = _noising_weights(g, number if bar is None else bar, g.dtype)
            return [weight * g for weight in weights]

        needed = linear_gradients(ctx.needs_input_grad[:2], grad, kernel, formula)
        return *needed, None, None, None


class _Step(torch.autograd.Function):
    """The kernel. `split`: each coefficient as a tensor or None, and its number."""

    @staticmethod
    def forward(
        ctx: Any,
        x_t: Tensor,
        predicted_noise: Tensor,
        noise: Tensor | None,
        seed: Tensor | None,
        *split: Any,
    ) -> Tensor:
        ctx.save_for_backward(*split[::2])
        ctx.numbers = split[1::2]
        return torch.ops.genbench.ddpm_step(x_t, predicted_noise, *split, noise, seed)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        pairs = list(zip(ctx.saved_tensors, ctx.numbers, strict=True))
        kernel = partial(torch.ops.genbench.ddpm_step_backward, grad, *chain(*pairs))

        def formula(g: Tensor) -> list[Tensor]:
            alpha, alpha_bar, sigma = (n if tensor is None else tensor for tensor, n in pairs)
            scale, part, sigma = _step_weights(g, (alpha, alpha_bar, sigma), g.dtype)
            return [scale * g, -scale * part * g, _scaled(sigma, g)]

        needed = linear_gradients(ctx.needs_input_grad[:3], grad, kernel, formula)
        return *needed, *[None] * 7
