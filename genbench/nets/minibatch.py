"""Critics that see more than one point. Lin 2018, arXiv 1712.04086; Karras 2018, 1710.10196."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def pack(x: Tensor, size: int) -> Tensor:
    """(n, c, ...) -> (n / size, size * c, ...): `size` neighbours in a row; `size` divides n.

    Vectors join along their features, images along their channels (Lin 2018, section 2).
    """
    rows, channels = x.shape[:2]
    return x.reshape(rows // size, size * channels, *x.shape[2:])


def seen_shape(data_shape: Sequence[int], *, packing: int, minibatch_std: bool) -> tuple[int, ...]:
    """The shape of one row of the critic's input, for points of `data_shape`."""
    first, *rest = data_shape
    return (packing * first + minibatch_std, *rest)


class MinibatchStd(nn.Module):
    """A critic that also gets its batch's standard deviation, as one feature or channel more.

    x (n, c, ...) -> network's logits of (n, c + 1, ...). The deviation of every element over the
    batch, averaged to one number (Karras 2018, section 3, over the whole batch). There it enters
    before the last layers of one network; as an input it fits any network, the user's own too.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        variance = (x - x.mean(0)).square().mean(0)  # (c, ...)
        # 1e-8: the slope of the root is infinite at 0, where all rows are alike
        spread = (variance + 1e-8).sqrt().mean()
        return self.network(torch.cat([x, spread.expand(len(x), 1, *x.shape[2:])], 1))
