"""Planar flows: the determinant by automatic differentiation, invertibility where it is at risk."""

import pytest
import torch
from torch.func import jacrev, vmap

from genbench.nets.planar import planar


def drawn(n, d, scale=1.0):
    rng = torch.Generator().manual_seed(0)
    z, u, w = torch.randn(3, n, d, generator=rng, dtype=torch.float64)
    return z, scale * u, scale * w, torch.randn(n, generator=rng, dtype=torch.float64)


def jacobian(z, u, w, b):
    """(n, d, d) of each row's flow."""

    def one(z, u, w, b):
        return planar(z[None], u[None], w[None], b[None])[0][0]

    return vmap(jacrev(one))(z, u, w, b)


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_the_log_determinant_is_the_jacobians(d, scale):
    flow = drawn(40, d, scale)
    sign, expected = torch.linalg.slogdet(jacobian(*flow))
    assert (sign == 1).all()
    torch.testing.assert_close(planar(*flow)[1], expected, rtol=0, atol=1e-5)


def test_a_flow_that_would_fold_is_kept_invertible():
    """w'u < -1 folds the plane; the flow used has a determinant above 0 everywhere."""
    z, _, w, b = drawn(50, 2)
    u = -5 * w
    assert (1 + (w * u).sum(1)).min() < 0
    along = torch.linspace(-6, 6, 2001, dtype=torch.float64)[:, None]
    for row in range(50):
        line = (z[row] + along * w[row], *(t[row].expand(2001, *t[row].shape) for t in (u, w, b)))
        moved = (planar(*line)[0] @ w[row]).diff()
        assert (moved > 0).all()


def test_a_large_u_along_w_is_left_as_it_is():
    """softplus(a) - 1 tends to a - 1: w'u_hat is w'u less one."""
    z, u, w, b = drawn(10, 3)
    u = 30 * w / w.square().sum(1, keepdim=True)
    found = (planar(z, u, w, b)[0] - z) / torch.tanh((w * z).sum(1) + b)[:, None]
    torch.testing.assert_close((found * w).sum(1), (u * w).sum(1) - 1, rtol=1e-9, atol=0)
