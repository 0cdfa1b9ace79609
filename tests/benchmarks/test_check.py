"""A benchmark refuses to time what computes something else, and lets pass what is right."""

import dataclasses

import pytest
import torch

from benchmarks.check import Disagreement, refuse_different, refuse_unlawful
from benchmarks.measure import Effort, Measured
from benchmarks.operation import BOTH, FORWARD, Case, checked_calls
from benchmarks.ops import (
    test_ddpm,
    test_gan_bce,
    test_gradient_penalty,
    test_interpolate,
    test_noise,
    test_reparameterize_kl,
)
from benchmarks.rows import eager_form, extra_info
from genbench import ops

MODULES = (
    test_ddpm,
    test_gan_bce,
    test_gradient_penalty,
    test_interpolate,
    test_noise,
    test_reparameterize_kl,
)
OPERATIONS = {operation.name: operation for module in MODULES for operation in module.OPERATIONS}
KL = OPERATIONS["reparameterize_kl"]
# Forms that are wrong in one place each; all draw their own noise.
WRONG_KL = {
    "sigma": lambda m, v: (m + torch.exp(v) * torch.randn_like(m), right(m, v)[1]),
    "mu": lambda m, v: (1.3 * m + torch.exp(0.5 * v) * torch.randn_like(m), right(m, v)[1]),
    "kl": lambda m, v: (right(m, v)[0], 1.001 * right(m, v)[1]),
    "law": lambda m, v: (m + torch.exp(0.5 * v) * torch.rand_like(m), right(m, v)[1]),
    "gradient": lambda m, v: (right(m, v)[0], right(m, v.detach())[1]),
    "shape": lambda m, v: (right(m, v)[0], right(m, v)[1][:, None]),
    "number": lambda m, v: right(m, v)[:1],
    "nan": lambda m, v: (right(m, v)[0], right(m, v)[1] / 0 * 0),
}


def right(mu, logvar):
    return KL.forms["addcmul"](mu, logvar)


@pytest.mark.parametrize("place", WRONG_KL)
def test_a_wrong_variant_is_refused_and_the_others_are_not(place):
    operation = dataclasses.replace(KL, rivals={"wrong": lambda: WRONG_KL[place]})
    direction = BOTH if place == "gradient" else FORWARD
    calls, wrong = checked_calls(Case(operation, direction, 2**14), ["eager", "wrong", "fused"])
    assert calls.keys() == {"eager: addcmul", "eager: sums of rows", "fused"}
    assert wrong.keys() == {"wrong"} and "wrong" in str(wrong["wrong"])


def test_a_wrong_seed_is_refused():
    other = torch.tensor([2])
    operation = dataclasses.replace(
        KL, seeded=lambda function, mu, logvar, seed: function(mu, logvar, seed=other)
    )
    calls, wrong = checked_calls(Case(operation, FORWARD, 2**10), ["fused"])
    assert not calls and isinstance(wrong["fused"], Disagreement)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("direction", [FORWARD, BOTH])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_variants_of_every_operation_agree(name, direction, dtype):
    operation = OPERATIONS[name]
    if direction not in operation.floors:
        assert name in ("uniform", "normal")
        return
    rivals = [name for name in operation.rivals if name != "diffusers"]  # its import takes seconds
    case = Case(operation, direction, 2**14, dtype)
    calls, wrong = checked_calls(case, ["eager", "reference", "fused", *rivals])
    assert wrong == {}
    assert len(calls) == len(operation.forms) + 2 + len(rivals)


@pytest.mark.slow  # compiles
@pytest.mark.parametrize("name", OPERATIONS)
def test_compiled_variants_and_diffusers_agree(name):
    pytest.importorskip("diffusers")
    operation = OPERATIONS[name]
    _, wrong = checked_calls(Case(operation, FORWARD, 2**14), operation.variants())
    assert wrong == {}


def test_every_operation_but_the_one_with_a_critic_is_compared():
    public = set(ops.reference.__all__) - {"gradient_penalty"}
    assert OPERATIONS.keys() == public


def test_a_difference_is_told_apart_from_rounding():
    x = torch.linspace(-1, 1, 101, dtype=torch.float64)
    refuse_different("row", (x * (1 + 9e-6),), (x,), 1e-5)
    with pytest.raises(Disagreement, match=r"result 0 of row is off by 2\.\de-05 of its size"):
        refuse_different("row", (x + 2e-5 * (x.abs() + 0.6),), (x,), 1e-5)


def test_noise_that_leans_on_an_input_is_refused():
    generator = torch.Generator().manual_seed(0)
    noise, other = torch.randn(2, 2**14, generator=generator, dtype=torch.float64)
    refuse_unlawful("row", noise, "normal", (other,), 0.0)
    leaning = 0.99 * noise + (1 - 0.99**2) ** 0.5 * other  # mean and variance stay
    with pytest.raises(Disagreement, match="correlation with input 0"):
        refuse_unlawful("row", leaning, "normal", (other,), 0.0)
    with pytest.raises(Disagreement, match="mean of the uniform noise"):
        refuse_unlawful("row", noise, "uniform", (), 0.0)


def test_the_figures_of_a_row():
    case = Case(KL, FORWARD, 2**16)
    fused = [1e-4 * (1 + i / 100) for i in range(-50, 51)]
    reused = {"eager: a": [3e-4], "eager: b": [2e-4], "fused": fused}
    measured = Measured(reused, {"fused": [4e-4]}, [5e-5], dict.fromkeys(reused, 3))
    row = extra_info(case, "fused", measured)
    assert row["bytes"] == 12 * 2**16 and row["variant"] == "fused"
    assert (row["p10_us"], row["median_us"], row["p90_us"]) == (60.0, 100.0, 140.0)
    assert row["fresh_median_us"] == 400.0 and row["page_faults"] == 3
    assert row["ns_per_element"] == pytest.approx(1e5 / 2**16, rel=1e-3)
    assert row["gigabytes_per_second"] == pytest.approx(12 * 2**16 / 1e-4 / 1e9, rel=1e-3)
    assert row["copy_bandwidth"] == pytest.approx(12 * 2**16 / 5e-5 / 1e9, rel=1e-3)
    assert row["share_of_copy"] == 0.5
    assert eager_form(reused) == "eager: b"
    eager = extra_info(case, "eager: b", measured)
    assert (eager["variant"], eager["form"]) == ("eager", "b") and "fresh_median_us" not in eager


def test_half_numbers_move_half_the_bytes():
    assert Case(KL, BOTH, 2**10, torch.bfloat16).moved_bytes == 16 * 2**10


def test_rounds_fit_the_time():
    effort = Effort(seconds=1.0, fewest=10, most=100)
    assert [effort.rounds(spent) for spent in (1e-6, 0.02, 5.0)] == [100, 50, 10]
