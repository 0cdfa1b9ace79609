"""How first weights are drawn."""

import torch
from torch import nn

from genbench.nets.weights import draw_kept
from genbench.train.loop import global_seed


def test_outputs_vary_as_inputs_do():
    layers = nn.Sequential(*(nn.Linear(400, 400) for _ in range(3)))
    with global_seed(0):
        draw_kept(layers)
    x = torch.randn(2000, 400, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = layers(x)
    # three products of 400 x 400 normal numbers: the variance of each is off by about 1/400
    assert 0.95 < y.var().item() < 1.05
    biases = [p.detach() for name, p in layers.named_parameters() if name.endswith("bias")]
    assert len(biases) == 3 and not torch.cat(biases).any()
