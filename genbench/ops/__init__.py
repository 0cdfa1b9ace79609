"""The operations: public functions, each above its reference formula; noise that repeats."""

from genbench.ops.noise import fold_seed, normal, uniform

__all__ = ["fold_seed", "normal", "uniform"]
