"""Reference formulas under the public operations' names: plain torch, the same signatures."""

from genbench.ops.ddpm import ddpm_add_noise_reference as ddpm_add_noise
from genbench.ops.ddpm import ddpm_step_reference as ddpm_step
from genbench.ops.gan_bce import discriminator_bce_reference as discriminator_bce
from genbench.ops.gan_bce import generator_bce_reference as generator_bce
from genbench.ops.gradient_penalty import gradient_norm_penalty_reference as gradient_norm_penalty
from genbench.ops.gradient_penalty import gradient_penalty_reference as gradient_penalty
from genbench.ops.interpolate import interpolate_reference as interpolate
from genbench.ops.noise import normal_reference as normal
from genbench.ops.noise import uniform_reference as uniform
from genbench.ops.reparameterize_kl import reparameterize_kl_reference as reparameterize_kl

__all__ = [
    "ddpm_add_noise",
    "ddpm_step",
    "discriminator_bce",
    "generator_bce",
    "gradient_norm_penalty",
    "gradient_penalty",
    "interpolate",
    "normal",
    "reparameterize_kl",
    "uniform",
]
