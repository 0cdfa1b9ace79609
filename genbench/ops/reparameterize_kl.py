"""Reparameterised sample and KL divergence of a Gaussian posterior. Kingma 2013, arXiv 1312.6114.

z = mu + sigma eps and KL(N(mu, sigma^2) || N(0, 1)) with sigma = exp(logvar / 2): section 2.4 and
appendix B of the paper. One pass over mu and logvar; the backward pass draws the noise again
instead of storing it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench.ops import checks
from genbench.ops.backend import fused_for
from genbench.ops.extension import register_fake
from genbench.ops.gradients import differentiated_again
from genbench.ops.noise import check_source, normal, normal_reference, resolve_seed

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None, None]


def reparameterize_kl(
    mu: Tensor,
    logvar: Tensor,
    *,
    eps: Tensor | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """z = mu + exp(logvar / 2) eps, and the KL divergence of each sample's posterior from N(0, 1).

    Args:
        mu, logvar: (B, ...), floating, one shape and device; logvar is ln sigma^2.
        eps: the noise, floating, like mu in shape and device; it may need a gradient.
        seed: int64 (1,) [key] or (2,) [key, number of the first element].
        generator: draws the key instead; none of the three: torch's global generator does.

    Returns:
        z: like mu in shape and dtype.
        kl: (B,), summed over latents, nats; float32 for half inputs, else the wider dtype.
    Differentiable twice in mu, logvar and eps.
    Errors: TypeError, ValueError for an argument outside these rules, or for two of eps, seed
        and generator.
    Source: Kingma and Welling 2013, section 2.4 and appendix B.
    """
    seed = _check(mu, logvar, eps, seed, generator)
    alike = mu.dtype == logvar.dtype and (eps is None or eps.dtype == mu.dtype)
    if alike and fused_for("reparameterize_kl", mu, logvar, eps):
        if checks.needs_graph(mu, logvar, eps):
            return _Fused.apply(mu, logvar, eps, seed)
        return torch.ops.genbench.reparameterize_kl_forward(mu, logvar, eps, seed)
    return _formula(mu, logvar, eps, seed, normal)


def reparameterize_kl_reference(
    mu: Tensor,
    logvar: Tensor,
    *,
    eps: Tensor | None = None,
    seed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """`reparameterize_kl` by plain torch operations, noise included."""
    seed = _check(mu, logvar, eps, seed, generator)
    return _formula(mu, logvar, eps, seed, normal_reference)


def _check(
    mu: Tensor,
    logvar: Tensor,
    eps: Tensor | None,
    seed: Tensor | None,
    generator: torch.Generator | None,
) -> Tensor | None:
    """Refuses unfit arguments; the seed to draw from, None where eps is given."""
    checks.check_batch("mu", mu)
    checks.check_like("logvar", logvar, "mu", mu)
    check_source(seed, generator, device=mu.device, given=("eps", eps))
    if eps is not None:
        checks.check_like("eps", eps, "mu", mu)
        return None
    return resolve_seed(seed, generator, device=mu.device)


def _formula(
    mu: Tensor,
    logvar: Tensor,
    eps: Tensor | None,
    seed: Tensor | None,
    draw: Callable[..., Tensor],
) -> tuple[Tensor, Tensor]:
    wide = checks.wide_dtype(torch.promote_types(mu.dtype, logvar.dtype))
    m, v = mu.to(wide), logvar.to(wide)
    z = m + torch.exp(0.5 * v) * _noise(mu, eps, seed, draw, wide)
    # expm1: exp(v) - 1 loses every digit near the prior, where v is 0.
    kl = 0.5 * (m.square() + torch.expm1(v) - v)
    return z.to(mu.dtype), kl.flatten(1).sum(1) if kl.ndim > 1 else kl


def _noise(
    mu: Tensor,
    eps: Tensor | None,
    seed: Tensor | None,
    draw: Callable[..., Tensor],
    wide: torch.dtype,
) -> Tensor:
    return draw(mu.shape, seed=seed, dtype=wide) if eps is None else eps.to(wide)


@register_fake("reparameterize_kl_forward")
def _forward_shapes(
    mu: Tensor, logvar: Tensor, eps: Tensor | None, seed: Tensor | None
) -> tuple[Tensor, Tensor]:
    kl = mu.new_empty(mu.shape[:1], dtype=checks.wide_dtype(mu.dtype))
    return mu.new_empty(mu.shape), kl


@register_fake("reparameterize_kl_backward")
def _backward_shapes(
    grad_z: Tensor | None, grad_kl: Tensor | None, mu: Tensor, *others: Tensor | None
) -> tuple[Tensor, Tensor]:
    return mu.new_empty(mu.shape), mu.new_empty(mu.shape)


class _Fused(torch.autograd.Function):
    """The kernels, and their gradients: by the backward kernel, or as a formula of torch
    operations where a second derivative is wanted."""

    @staticmethod
    def forward(
        ctx: Any,
        mu: Tensor,
        logvar: Tensor,
        eps: Tensor | None,
        seed: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(mu, logvar, eps, seed)
        ctx.set_materialize_grads(False)
        return torch.ops.genbench.reparameterize_kl_forward(mu, logvar, eps, seed)

    @staticmethod
    def backward(ctx: Any, grad_z: Tensor | None, grad_kl: Tensor | None) -> Gradients:
        mu, logvar, eps, seed = ctx.saved_tensors
        wide = checks.wide_dtype(mu.dtype)
        if differentiated_again():
            return _slopes(mu, logvar, eps, seed, grad_z, grad_kl)
        grad_mu, grad_logvar = torch.ops.genbench.reparameterize_kl_backward(
            grad_z, grad_kl, mu, logvar, eps, seed
        )
        grad_eps = None
        if ctx.needs_input_grad[2] and grad_z is not None:
            grad_eps = (grad_z * torch.exp(0.5 * logvar.to(wide))).to(mu.dtype)
        return grad_mu, grad_logvar, grad_eps, None


def _slopes(
    mu: Tensor,
    logvar: Tensor,
    eps: Tensor | None,
    seed: Tensor | None,
    grad_z: Tensor | None,
    grad_kl: Tensor | None,
) -> Gradients:
    """The gradients as a differentiable expression."""
    wide = checks.wide_dtype(mu.dtype)
    m, v = mu.to(wide), logvar.to(wide)
    noise = _noise(mu, eps, seed, normal, wide)
    by_mu, by_logvar, by_eps = torch.zeros_like(m), torch.zeros_like(v), None
    if grad_z is not None:
        sigma = torch.exp(0.5 * v)
        by_mu = by_mu + grad_z.to(wide)
        by_logvar = by_logvar + 0.5 * grad_z.to(wide) * sigma * noise
        by_eps = (grad_z.to(wide) * sigma).to(mu.dtype) if eps is not None else None
    if grad_kl is not None:
        of_row = grad_kl.reshape(-1, *[1] * (mu.ndim - 1))
        by_mu = by_mu + of_row * m
        by_logvar = by_logvar + 0.5 * of_row * torch.expm1(v)
    return by_mu.to(mu.dtype), by_logvar.to(mu.dtype), by_eps, None
