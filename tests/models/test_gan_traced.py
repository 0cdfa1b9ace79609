"""Every part can be traced: both players' losses and gradients as one graph of tensors."""

from typing import Any

import pytest
import torch
from small_gan import gan
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from genbench.losses import CATALOG, PARTS
from genbench.protocol import Batch

NAMES = [*CATALOG] + [
    f"minimax+{part[:-1] + '2' if part.endswith('N') else part}" for part in PARTS
]


class Both(torch.nn.Module):
    """The gradients of both players, by functional_call's parameters."""

    def __init__(self, model):
        super().__init__()
        self.model: Any = model

    def forward(self, x, seed, done):
        found = []
        for phase in ("critic", "generator"):
            loss = self.model.loss(Batch(x=x, seed=seed, done=done), phase)["loss"]
            own = list(self.model.phase_parameters(phase))
            found += [loss, *torch.autograd.grad(loss, own, allow_unused=True)]
        return [value for value in found if value is not None]


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_of_one_batch_computes_another(name):
    both = Both(gan(name))
    state = {key: value.detach() for key, value in both.state_dict(keep_vars=True).items()}

    def batch(key):
        rng = torch.Generator().manual_seed(key)
        x = torch.randn(6, 2, generator=rng)
        return x, torch.randint(2**62, (1,), generator=rng), torch.rand((), generator=rng)

    def run(state, *arguments):
        # copies: the power iteration of spectral norm moves buffers in place
        own = {k: v.clone().requires_grad_(v.requires_grad) for k, v in state.items()}
        leaves = {k: own[k].requires_grad_() for k, _ in both.named_parameters()}
        return functional_call(both, {**own, **leaves}, arguments)

    graph = make_fx(run)(state, *batch(1))
    traced, eager = graph(state, *batch(2)), run(state, *batch(2))
    assert len(traced) == len(eager) > 8
    assert all(torch.equal(a, b) for a, b in zip(traced, eager, strict=True))
    other = run(state, *batch(1))
    assert not torch.equal(eager[0], other[0])  # the batches tell themselves apart
