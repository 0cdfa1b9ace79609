"""The operations as `torch.nn` modules: options at construction, tensors at the call.

None has parameters or buffers: a state_dict stays empty, and what a call draws comes from the
seed or generator of that call, in training and in evaluation alike. Arguments, results, errors and
sources are those of the function each module calls.
"""

from typing import Any

import torch
from torch import Tensor, nn

from genbench.ops.checks import Coefficient
from genbench.ops.ddpm import ddpm_add_noise, ddpm_step
from genbench.ops.gan_bce import discriminator_bce, generator_bce
from genbench.ops.gradient_penalty import Critic, gradient_norm_penalty, gradient_penalty
from genbench.ops.interpolate import interpolate
from genbench.ops.reparameterize_kl import reparameterize_kl

__all__ = [
    "DDPMAddNoise",
    "DDPMStep",
    "DiscriminatorBCE",
    "GeneratorBCE",
    "GradientNormPenalty",
    "GradientPenalty",
    "Interpolate",
    "ReparameterizeKL",
]

Label = float | tuple[float, float]


class _WithOptions(nn.Module):
    """Keeps what the constructor was given, for the calls and for repr."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())


class ReparameterizeKL(nn.Module):
    """`ops.reparameterize_kl`: mu, logvar (B, ...) -> z (B, ...), kl (B,) in nats."""

    def forward(
        self,
        mu: Tensor,
        logvar: Tensor,
        *,
        eps: Tensor | None = None,
        seed: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        return reparameterize_kl(mu, logvar, eps=eps, seed=seed, generator=generator)


class DiscriminatorBCE(_WithOptions):
    """`ops.discriminator_bce`: real and fake logits -> 0-d loss, nats.

    real_target, fake_target: a number, or a range (low, high) from which each logit draws its own.
    A target for each logit is a tensor of the call: the function takes it.
    """

    def __init__(
        self,
        *,
        real_target: Label = 1.0,
        fake_target: Label = 0.0,
        flip_probability: float = 0.0,
    ) -> None:
        for name, target in (("real_target", real_target), ("fake_target", fake_target)):
            if isinstance(target, Tensor):
                raise TypeError(f"{name} must be a number or (low, high), got a tensor")
        super().__init__(
            real_target=real_target, fake_target=fake_target, flip_probability=flip_probability
        )

    def forward(
        self,
        *,
        real: Tensor,
        fake: Tensor,
        seed: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        return discriminator_bce(
            real=real, fake=fake, seed=seed, generator=generator, **self.options
        )


class GeneratorBCE(_WithOptions):
    """`ops.generator_bce`: fake logits -> 0-d loss, nats."""

    def __init__(self, *, saturating: bool = False) -> None:
        super().__init__(saturating=saturating)

    def forward(self, *, fake: Tensor) -> Tensor:
        return generator_bce(fake=fake, **self.options)


class Interpolate(nn.Module):
    """`ops.interpolate`: real and fake (B, ...) -> points between them (B, ...)."""

    def forward(
        self,
        *,
        real: Tensor,
        fake: Tensor,
        alpha: Coefficient | None = None,
        seed: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        return interpolate(real=real, fake=fake, alpha=alpha, seed=seed, generator=generator)


class GradientNormPenalty(_WithOptions):
    """`ops.gradient_norm_penalty`: gradients (B, ...) -> 0-d penalty, no gamma / 2."""

    def __init__(self, *, center: float = 1.0, one_sided: bool = False) -> None:
        super().__init__(center=center, one_sided=one_sided)

    def forward(self, gradients: Tensor) -> Tensor:
        return gradient_norm_penalty(gradients, **self.options)


class GradientPenalty(_WithOptions):
    """`ops.gradient_penalty`: a critic and points (B, ...) -> 0-d penalty, no gamma / 2.

    The critic is an argument of the call, so that its weights do not become this module's too.
    """

    def __init__(self, *, center: float = 1.0, one_sided: bool = False) -> None:
        super().__init__(center=center, one_sided=one_sided)

    def forward(
        self,
        critic: Critic,
        *,
        real: Tensor | None = None,
        fake: Tensor | None = None,
        alpha: Coefficient | None = None,
        seed: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        source = {"alpha": alpha, "seed": seed, "generator": generator}
        return gradient_penalty(critic, real=real, fake=fake, **source, **self.options)


class DDPMAddNoise(nn.Module):
    """`ops.ddpm_add_noise`: x0 (B, ...) and alpha_bar -> x_t (B, ...), its noise (B, ...)."""

    def forward(
        self,
        x0: Tensor,
        alpha_bar: Coefficient,
        *,
        noise: Tensor | None = None,
        seed: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        return ddpm_add_noise(x0, alpha_bar, noise=noise, seed=seed, generator=generator)


class DDPMStep(nn.Module):
    """`ops.ddpm_step`: x_t and its predicted noise (B, ...) -> x_{t-1} (B, ...)."""

    def forward(
        self,
        x_t: Tensor,
        predicted_noise: Tensor,
        *,
        alpha: Coefficient,
        alpha_bar: Coefficient,
        sigma: Coefficient,
        noise: Tensor | None = None,
        seed: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        coefficients = {"alpha": alpha, "alpha_bar": alpha_bar, "sigma": sigma}
        source = {"noise": noise, "seed": seed, "generator": generator}
        return ddpm_step(x_t, predicted_noise, **coefficients, **source)
