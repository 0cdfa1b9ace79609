"""Update formulas against torch.optim, over many updates and options."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genbench.errors import InputError
from genbench.protocol import OptimizerSpec
from genbench.train.optimizers import make_optimizer
from genbench.train.rules import make_rule

shares = st.floats(0, 0.99)
means = st.floats(0.5, 0.99)  # at 0 a centred variance is 0 or, by rounding, below
decays = st.sampled_from([0.0, 0.1])
SPECS = st.one_of(
    st.builds(
        lambda a, b, w, e: ("adam", {"betas": (a, b), "weight_decay": w, "eps": e}),
        shares,
        shares,
        decays,
        st.sampled_from([1e-8, 1e-3]),
    ),
    st.builds(
        lambda a, b, w: ("adamw", {"betas": (a, b), "weight_decay": w}), shares, shares, decays
    ),
    st.builds(lambda d, w: ("adagrad", {"lr_decay": d, "weight_decay": w}), decays, decays),
    st.builds(
        lambda m, d, w: ("sgd", {"momentum": m, "dampening": d, "weight_decay": w}),
        shares,
        shares,
        decays,
    ),
    st.builds(lambda m: ("sgd", {"momentum": m, "nesterov": True}), st.floats(0.1, 0.9)),
    st.builds(
        lambda a, m, c, w: (
            "rmsprop",
            {"alpha": a, "momentum": m, "centered": c, "weight_decay": w},
        ),
        means,
        shares,
        st.booleans(),
        decays,
    ),
)


@settings(max_examples=100)  # 5 ms each
@given(SPECS, st.integers(0, 2**32))
def test_updates_equal_torchs(named, seed):
    spec = OptimizerSpec(named[0], 0.1, named[1])
    rng = torch.Generator().manual_seed(seed)
    start = torch.randn(7, generator=rng, dtype=torch.float64)
    parameter = torch.nn.Parameter(start.clone())
    theirs, rule = make_optimizer(spec, [parameter]), make_rule(spec)
    p, slots = start, {name: torch.zeros_like(start) for name in rule.slots}
    for count in range(1, 7):
        g = torch.randn(7, generator=rng, dtype=torch.float64)
        g[count % 7] = 0.0
        parameter.grad = g.clone()
        theirs.step()
        p, slots = rule.update(p, g, slots, rule.numbers(0.1, count))
        # rounding of float64; a centred variance may cancel, which 1 / (root + 1e-8) enlarges
        bound = 1e-6 if named[1].get("centered") else 1e-10
        torch.testing.assert_close(p, parameter.detach(), rtol=bound, atol=bound)
    held = theirs.state[parameter]
    for name, slot in slots.items():
        torch.testing.assert_close(slot, held[name], rtol=1e-6, atol=1e-10)
    assert set(held) - {"step"} == set(rule.slots)


def test_a_weight_without_gradient_has_a_finite_slope():
    # at v = 0 the root's slope is infinite, and the gradient that it meets is 0
    rule = make_rule(OptimizerSpec("adam", 0.1))
    p = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    g = p * torch.tensor([1.0, 0.0], dtype=torch.float64)
    zeros = {name: torch.zeros(2, dtype=torch.float64) for name in rule.slots}
    new, _ = rule.update(p, g, zeros, rule.numbers(0.1, 1))
    (slope,) = torch.autograd.grad(new.sum(), p)
    # the first step is lr sign(g) but for eps: its slope is 1, and so is that of a step of 0
    torch.testing.assert_close(slope, torch.ones(2, dtype=torch.float64), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("adan", {}, "unknown name 'adan'"),
        ("adam", {"amsgrad": True}, "adam's formula knows betas, eps, weight_decay, got 'amsgrad'"),
    ],
)
def test_what_has_no_formula_is_refused(name, options, match):
    with pytest.raises(InputError, match=match):
        make_rule(OptimizerSpec(name, 0.1, options))
