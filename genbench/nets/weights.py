"""How papers draw a network's first weights."""

from __future__ import annotations

from torch import nn

DRAWN = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def draw_normal(module: nn.Module, *, std: float) -> None:
    """Weights of linear layers and convolutions from N(0, std^2), their biases 0.

    Draws from torch's global generator, so that the caller's seed decides them.
    """
    for layer in module.modules():
        if isinstance(layer, DRAWN):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def draw_kept(module: nn.Module) -> None:
    """Weights of linear layers from N(0, 1 / inputs), biases 0: outputs vary as much as inputs do.

    LeCun et al. 1998, Efficient BackProp, section 4.6. torch's own have a third of the variance.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)
