"""Spectral normalisation of a whole network. Miyato et al. 2018, arXiv 1802.05957, algorithm 1."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrizations import spectral_norm

from genbench.errors import InputError

WEIGHTED = (nn.Linear, _ConvNd)


def weighted_layers(network: nn.Module) -> list[nn.Module]:
    """Its linear and convolutional layers, transposed ones included, in the order of `modules`."""
    return [layer for layer in network.modules() if isinstance(layer, WEIGHTED)]


def normalise(network: nn.Module) -> nn.Module:
    """`network`, with every linear and convolutional weight divided by its largest singular value.

    One power iteration a forward pass in training mode, carried in buffers; its start is drawn from
    torch's global generator, as weights are. Raises InputError where there is no such layer.
    """
    layers = weighted_layers(network)
    if not layers:
        raise InputError("critic: spectral_norm needs linear or convolutional layers, got none")
    for layer in layers:
        spectral_norm(layer)
    return network
