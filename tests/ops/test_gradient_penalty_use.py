"""Gradient penalties inside compiled steps, and what they refuse."""

import math

import pytest
import torch
from torch import nn

KEY = torch.tensor([5])
X = torch.zeros(3, 2)


def critic(x):
    return x.square().sum(1)


def test_compiled_step_trains_alike(api):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1)).double()
    x, y = torch.randn(2, 4, 3, dtype=torch.float64)

    def penalty(x, y, seed):
        return api.gradient_penalty(net, real=x, fake=y, seed=seed)

    slopes = []
    for function in (penalty, torch.compile(penalty, fullgraph=True, backend="aot_eager")):
        net.zero_grad()
        function(x, y, KEY).backward()
        slopes.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    assert len(slopes[0]) == 3  # the last bias does not move the gradient
    for eager, compiled in zip(slopes[0], slopes[1][:3], strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-12, atol=1e-15)


def test_norm_penalty_vmap_and_compile(api):
    g = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    rows = torch.stack([api.gradient_norm_penalty(row) for row in g])
    torch.testing.assert_close(torch.vmap(api.gradient_norm_penalty)(g), rows)
    compiled = torch.compile(api.gradient_norm_penalty, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(g, center=0.5), api.gradient_norm_penalty(g, center=0.5))


def test_a_seed_is_not_touched_where_nothing_is_drawn(api):
    rng = torch.Generator().manual_seed(1)
    state = rng.get_state()
    expected = api.gradient_penalty(critic, real=X)
    assert api.gradient_penalty(critic, real=X, generator=rng) == expected
    assert api.gradient_penalty(critic, real=X, seed=KEY) == expected
    assert torch.equal(rng.get_state(), state)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"gradients": None}, TypeError, ("gradients", "NoneType")),
        ({"gradients": [1.0]}, TypeError, ("gradients", "list")),
        ({"gradients": X.int()}, TypeError, ("gradients", "int32")),
        ({"gradients": X.to(torch.complex64)}, TypeError, ("gradients", "complex64")),
        ({"gradients": torch.tensor(1.0)}, ValueError, ("gradients", "batch")),
        ({"gradients": torch.zeros(0, 3)}, ValueError, ("gradients", "empty", "(0, 3)")),
        ({"gradients": torch.zeros(3, 0)}, ValueError, ("gradients", "empty", "(3, 0)")),
        ({"center": -1.0}, ValueError, ("center", "[0, inf)", "-1.0")),
        ({"center": math.inf}, ValueError, ("center", "inf")),
        ({"center": math.nan}, ValueError, ("center", "nan")),
        ({"center": torch.tensor(1.0)}, TypeError, ("center", "Tensor")),
        ({"one_sided": 1}, TypeError, ("one_sided", "1")),
    ],
)
def test_norm_penalty_refusals(api, refuses, arguments, error, words):
    with refuses(error, *words):
        api.gradient_norm_penalty(**({"gradients": X} | arguments))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"real": None}, ValueError, ("real or fake", "neither")),
        ({"alpha": 0.5}, ValueError, ("alpha", "both", "real alone")),
        ({"real": None, "fake": X, "alpha": 0.5}, ValueError, ("alpha", "fake alone")),
        ({"real": [1.0]}, TypeError, ("real", "list")),
        ({"real": X.int()}, TypeError, ("real", "int32")),
        ({"real": torch.zeros(0, 2)}, ValueError, ("real", "empty", "(0, 2)")),
        ({"real": torch.tensor(1.0)}, ValueError, ("real", "batch")),
        ({"fake": torch.zeros(3, 3)}, ValueError, ("fake", "(3, 2)", "(3, 3)")),
        ({"fake": X, "alpha": 2.0}, ValueError, ("alpha", "[0, 1]", "2.0")),
        ({"fake": X, "alpha": 0.5, "seed": KEY}, ValueError, ("alpha and seed",)),
        ({"seed": KEY, "generator": torch.Generator()}, ValueError, ("seed and generator",)),
        ({"seed": 5}, TypeError, ("seed", "int")),
        ({"center": -0.5}, ValueError, ("center", "-0.5")),
        ({"one_sided": None}, TypeError, ("one_sided", "None")),
        ({"critic": 3}, TypeError, ("critic", "callable", "int")),
        ({"critic": lambda x: 1.0}, TypeError, ("critic's output", "float")),
        ({"critic": lambda x: x.sum()}, ValueError, ("critic's output", "batch")),
        ({"critic": lambda x: x[:2]}, ValueError, ("critic's output", "3 rows", "(2, 2)")),
        ({"critic": lambda x: torch.ones(3)}, ValueError, ("critic's output", "depend")),
        (
            {"critic": lambda x: torch.ones(3, requires_grad=True)},
            ValueError,
            ("critic's output", "depend"),
        ),
    ],
)
def test_penalty_refusals(api, refuses, arguments, error, words):
    with refuses(error, *words):
        api.gradient_penalty(**({"critic": critic, "real": X} | arguments))


def test_inference_mode_is_refused(api, refuses):
    with torch.inference_mode(), refuses(ValueError, "inference_mode", "no_grad"):
        api.gradient_penalty(critic, real=X)
