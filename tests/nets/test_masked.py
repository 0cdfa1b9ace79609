"""Causal grids: what a position sees, by Jacobians; every earlier position, and none after."""

import pytest
import torch

from genbench.nets.masked import CausalGrid


def grid(depth=3, **sizes):
    torch.manual_seed(0)
    return CausalGrid(4, 3, depth=depth, **sizes).double()


@pytest.mark.parametrize("sizes", [{"depth": 4}, {"depth": 2, "reach": 2}])
def test_a_position_sees_all_before_it_and_nothing_else(sizes):
    net, x = grid(**sizes), torch.randn(1, 4, 4, 4, dtype=torch.float64)
    condition = torch.randn_like(x)
    jacobian = torch.func.jacrev(lambda x: net(x, condition).sum((0, 1)))(x)
    seen = jacobian.abs().sum((2, 3)).view(16, 16) > 0  # (output position, input position)
    assert torch.equal(seen, torch.ones(16, 16).tril(-1).bool())


def test_a_condition_is_seen_at_and_before_a_position():
    net, x = grid(depth=4), torch.randn(1, 4, 3, 3, dtype=torch.float64)
    condition = torch.randn_like(x)
    jacobian = torch.func.jacrev(lambda c: net(x, c).sum((0, 1)))(condition)
    seen = jacobian.abs().sum((2, 3)).view(9, 9) > 0
    assert torch.equal(seen, torch.ones(9, 9).tril().bool())


def test_too_few_layers_leave_far_columns_unseen():
    net, x = grid(depth=1), torch.randn(1, 4, 1, 4, dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda x: net(x, torch.zeros_like(x)).sum((0, 1)))(x)
    seen = jacobian.abs().sum((2, 3)).view(4, 4) > 0
    assert torch.equal(seen, torch.ones(4, 4).tril(-1).triu(-1).bool())
