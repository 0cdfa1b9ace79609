"""Steps of a denoising diffusion model, forward and reverse. Ho et al. 2020, arXiv 2006.11239."""

import torch
from torch import Tensor

from genbench.ops import checks
from genbench.ops.noise import Draw, check_source, normal, normal_reference, resolve_seed


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
    return _add_noise(x0, alpha_bar, noise, seed, generator, normal)


def ddpm_add_noise_reference(
    x0: Tensor,
    alpha_bar: checks.Coefficient,
    *,
    noise: Tensor | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """`ddpm_add_noise` by plain torch operations, noise included."""
    return _add_noise(x0, alpha_bar, noise, seed, generator, normal_reference)


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
    coefficients = (alpha, alpha_bar, sigma)
    return _step(x_t, predicted_noise, coefficients, noise, seed, generator, normal)


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
    coefficients = (alpha, alpha_bar, sigma)
    return _step(x_t, predicted_noise, coefficients, noise, seed, generator, normal_reference)


def _add_noise(
    x0: Tensor,
    alpha_bar: checks.Coefficient,
    noise: Tensor | None,
    seed: Tensor | None,
    generator: torch.Generator | None,
    draw: Draw,
) -> tuple[Tensor, Tensor]:
    checks.check_batch("x0", x0)
    checks.check_coefficient("alpha_bar", alpha_bar, x0, 0, 1)
    _check_noise(noise, seed, generator, "x0", x0)
    if noise is None:
        noise = draw(x0.shape, seed=resolve_seed(seed, generator, device=x0.device), dtype=x0.dtype)
    wide = checks.wide_dtype(x0.dtype)
    alpha_bar = checks.exact(alpha_bar, wide)
    signal, rest = (checks.spread(c, x0, wide) for c in (alpha_bar**0.5, (1 - alpha_bar) ** 0.5))
    return (signal * x0.to(wide) + rest * noise.to(wide)).to(x0.dtype), noise


def _step(
    x_t: Tensor,
    predicted_noise: Tensor,
    coefficients: tuple[checks.Coefficient, checks.Coefficient, checks.Coefficient],
    noise: Tensor | None,
    seed: Tensor | None,
    generator: torch.Generator | None,
    draw: Draw,
) -> Tensor:
    checks.check_batch("x_t", x_t)
    checks.check_like("predicted_noise", predicted_noise, "x_t", x_t)
    ranges = (("alpha", 0, 1, "(]"), ("alpha_bar", 0, 1, "[)"), ("sigma", 0, float("inf"), "[)"))
    for (name, low, high, ends), value in zip(ranges, coefficients, strict=True):
        checks.check_coefficient(name, value, x_t, low, high, ends)
    _check_noise(noise, seed, generator, "x_t", x_t)
    wide = checks.wide_dtype(x_t.dtype)
    alpha, alpha_bar, sigma = (checks.exact(c, wide) for c in coefficients)
    weight = checks.spread((1 - alpha) / (1 - alpha_bar) ** 0.5, x_t, wide)
    scale = checks.spread(alpha**-0.5, x_t, wide)
    mean = scale * (x_t.to(wide) - weight * predicted_noise.to(wide))
    if not isinstance(sigma, Tensor) and sigma == 0:
        return mean.to(x_t.dtype)
    if noise is None:
        noise = draw(x_t.shape, seed=resolve_seed(seed, generator, device=x_t.device), dtype=wide)
    return (mean + _scaled(checks.spread(sigma, x_t, wide), noise.to(wide))).to(x_t.dtype)


def _scaled(sigma: float | Tensor, noise: Tensor) -> Tensor:
    """sigma noise; where sigma is 0 the noise is not looked at: 0 * inf would be NaN."""
    if isinstance(sigma, Tensor):
        noise = torch.where(sigma == 0, 0, noise)
    return sigma * noise


def _check_noise(
    noise: Tensor | None,
    seed: Tensor | None,
    generator: torch.Generator | None,
    like_name: str,
    like: Tensor,
) -> None:
    check_source(seed, generator, device=like.device, given=("noise", noise))
    if noise is not None:
        checks.check_like("noise", noise, like_name, like)
