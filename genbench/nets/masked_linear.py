"""Masked linear layers that keep an order among numbers. Germain et al. 2015, arXiv 1502.03509."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from genbench import ops


class MaskedLinear(nn.Linear):
    """y = (W * masks[k]) x + b: one weight under several masks (masks, out, in) of bool."""

    masks: Tensor

    def __init__(self, masks: Tensor, *, bias: bool = True) -> None:
        super().__init__(masks.shape[2], masks.shape[1], bias=bias)
        self.register_buffer("masks", masks, persistent=False)

    def forward(self, x: Tensor, k: Tensor) -> Tensor:
        """x (n, in), k int64 (1,) -> (n, out)."""
        mask = self.masks.index_select(0, k)[0]
        return nn.functional.linear(x, self.weight * mask, self.bias)


class MaskedMLP(nn.Module):
    """(n, d) -> (n, d): output i sees the inputs that come before i in the order of mask k.

    orders: int64 (masks, d), the place 0 .. d - 1 of every input. Hidden layers of `width` with
    ReLU, and the paper's direct connections from inputs to outputs.
    """

    orders: Tensor

    def __init__(self, orders: Tensor, *, width: int, depth: int, seed: int) -> None:
        super().__init__()
        self.register_buffer("orders", orders, persistent=False)
        keys = [ops.fold_seed(torch.tensor([seed]), k + 1) for k in range(len(orders))]
        each = [
            order_masks(order, [width] * depth, seed=key)
            for order, key in zip(orders, keys, strict=True)
        ]
        layers = [MaskedLinear(torch.stack(masks)) for masks in zip(*each, strict=True)]
        self.direct = MaskedLinear(orders[:, :, None] > orders[:, None, :], bias=False)
        self.hidden, self.last = nn.ModuleList(layers[:-1]), layers[-1]

    def forward(self, x: Tensor, k: Tensor) -> Tensor:
        """x (n, d), k int64 (1,), the mask -> (n, d)."""
        h = x
        for layer in self.hidden:
            h = layer(h, k).relu()  # (n, width)
        return self.last(h, k) + self.direct(x, k)


def order_masks(order: Tensor, widths: Sequence[int], *, seed: Tensor) -> list[Tensor]:
    """Masks (out, in) of bool, layer by layer up to the outputs, for one order of the inputs.

    order: int64 (d,), the place 0 .. d - 1 of every input. A hidden unit of degree m sees inputs
    of places below m (equation 12), an output those of degrees up to its own place (equation 13).
    Degrees are drawn evenly from 1 .. d - 1, and at least the lowest of the layer before, so that
    no unit is cut off. seed: int64 (1,).
    """
    d, low = len(order), 1
    degrees = [order + 1]
    for layer, width in enumerate(widths):
        u = ops.uniform(width, seed=seed, stream=layer, dtype=torch.float64)
        degrees.append(low + (u * max(d - low, 1)).long())
        low = int(degrees[-1].min())
    hidden = [after[:, None] >= before[None, :] for before, after in pairwise(degrees)]
    return [*hidden, (order + 1)[:, None] > degrees[-1][None, :]]


def random_orders(count: int, d: int, *, seed: int) -> Tensor:
    """int64 (count, d): permutations of 0 .. d - 1."""
    u = ops.uniform((count, d), seed=torch.tensor([seed]), dtype=torch.float64)
    return u.argsort(dim=1)
