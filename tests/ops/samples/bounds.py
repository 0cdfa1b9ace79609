"""The largest errors allowed, in unit roundoffs of the quantity's dtype: |got - want| may be at
most bound * roundoff * max(1, |want|).

Half dtypes: one rounding of a float32 evaluation, whose own error is 1 % of it; a bound above
1.01 has its cause beside it. float32: the roundings of a formula of a few terms, of approximate
exponentials and logarithms (2 to 4), of sums in chunks of 1024. float64: the same with the
oracle's own roundings, which grow with the length of its plain sums.
"""

import torch

from .operation import FLOATS

HALF = (1.01, 1.01)

# operation: {quantity: (float16, bfloat16, float32, float64)}
BOUNDS: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "uniform": {"u": (0.51, 0.51, 0.51, 0.0)},  # 32 bits and a half: float64 holds them
    "normal": {"z": (*HALF, 8, 60)},
    "reparameterize_kl": {
        "z": (*HALF, 60, 400),  # the noise's error times sigma, which is up to 20
        "kl": (32, 32, 32, 2000),  # in float32 for the half dtypes; the oracle's terms cancel
        "slopes": (*HALF, 60, 400),  # z's, halved, and the KL's
    },
    # losses of the half dtypes are float32
    "discriminator_bce": {"loss": (8, 8, 8, 30), "slopes": (*HALF, 8, 30)},
    "generator_bce": {"loss": (8, 8, 8, 30), "slopes": (*HALF, 8, 30)},
    "gradient_norm_penalty": {
        "penalty": (12, 12, 12, 500),  # norm - center cancels; sums of 4099 squares
        "slopes": (*HALF, 12, 60),
    },
    "gradient_penalty": {
        # the points are rounded to half before the critic sees them
        "penalty": (4, 4, 12, 500),
        "parameter slopes": (5, 5, 12, 60),
    },
    "interpolate": {
        "x_hat": (*HALF, 4, 8),
        "slopes": (*HALF, 4, 8),
        "parameter slopes": (1.5, 1.5, 12, 30),  # sums over a sample
    },
    "ddpm_add_noise": {
        "x_t": (2.5, 2.5, 12, 60),  # of the noise as it is rounded and returned
        "noise": (*HALF, 8, 60),
        "slopes": (2, 2, 4, 8),  # given noise is handed back: two slopes, rounded and added
        "parameter slopes": (2.5, 2.5, 12, 30),
    },
    "ddpm_step": {
        "x_prev": (*HALF, 12, 60),
        "slopes": (*HALF, 8, 30),
        "parameter slopes": (1.5, 1.5, 12, 60),
    },
}


def bound(op: str, quantity: str, dtype: torch.dtype) -> float:
    return BOUNDS[op][quantity][FLOATS.index(dtype)]
