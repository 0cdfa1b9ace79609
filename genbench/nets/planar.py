"""Planar flows, kept invertible. Rezende and Mohamed 2015, arXiv 1505.05770, appendix A.1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus


def planar(z: Tensor, u: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """f(z) = z + u_hat tanh(w'z + b) (n, d), and log |det df/dz| (n,).

    z, u, w: (n, d), b: (n,), floating; every row has a flow of its own. u_hat is u moved along w so
    that w'u_hat = softplus(w'u) - 1 > -1, which makes f invertible; w must not be 0.
    """
    wu = (w * u).sum(1)
    moved = (softplus(wu) - 1 - wu) / w.square().sum(1)
    u_hat = u + moved[:, None] * w  # (n, d)
    h = torch.tanh((w * z).sum(1) + b)  # (n,)
    log_det = torch.log1p((1 - h.square()) * (w * u_hat).sum(1))
    return z + h[:, None] * u_hat, log_det
