"""The operations: public functions, each above its reference formula; noise that repeats.

`ops.backend` is the context manager `with ops.backend("reference"):`; the module of that name is
imported from: `from genbench.ops.backend import active`.
"""

from genbench.ops import modules, reference, scheduler
from genbench.ops.backend import backend
from genbench.ops.ddpm import ddpm_add_noise, ddpm_step
from genbench.ops.gan_bce import discriminator_bce, generator_bce
from genbench.ops.gradient_penalty import gradient_norm_penalty, gradient_penalty
from genbench.ops.interpolate import interpolate
from genbench.ops.noise import fold_seed, normal, uniform
from genbench.ops.reparameterize_kl import reparameterize_kl

__all__ = [
    "backend",
    "ddpm_add_noise",
    "ddpm_step",
    "discriminator_bce",
    "fold_seed",
    "generator_bce",
    "gradient_norm_penalty",
    "gradient_penalty",
    "interpolate",
    "modules",
    "normal",
    "reference",
    "reparameterize_kl",
    "scheduler",
    "uniform",
]
