"""Dropout whose masks come from a seed. Srivastava et al. 2014; sampled with, as in Isola 2017.

Isola et al. 2017, arXiv 1611.07004, section 3.2: dropout as a generator's noise, also at test time.
"""

from __future__ import annotations

from torch import Tensor, nn

from genbench import ops
from genbench.errors import InputError
from genbench.nets.spectral import weighted_layers


class SeededDropout:
    """Drops what enters every linear or convolutional layer of a network but the first.

    Those inputs are the hidden units, whatever activation made them. In training and evaluation
    alike, but only through `dropout(network, x, seed)`. Raises InputError where nothing is hidden.
    """

    def __init__(self, network: nn.Module, probability: float) -> None:
        layers = weighted_layers(network)[1:]
        if not layers:
            raise InputError("generator: dropout needs two or more linear or convolutional layers")
        self.probability = probability
        self.seed: Tensor | None = None
        for stream, layer in enumerate(layers):
            layer.register_forward_pre_hook(_Drop(self, stream))

    def __call__(self, network: nn.Module, x: Tensor, seed: Tensor) -> Tensor:
        """network(x) with the masks of `seed`, int64 (1,) on x's device."""
        self.seed = seed
        try:
            return network(x)
        finally:
            self.seed = None


class _Drop:
    """The hook of one layer: an object, so that a copied network holds a copy of its own."""

    def __init__(self, dropout: SeededDropout, stream: int) -> None:
        self.dropout = dropout
        self.stream = stream

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self.dropout.seed is None:
            return None
        x, *rest = inputs
        noise = ops.uniform(x.shape, seed=self.dropout.seed, stream=self.stream, dtype=x.dtype)
        dropped = self.dropout.probability
        return x * (noise >= dropped) / (1 - dropped), *rest
