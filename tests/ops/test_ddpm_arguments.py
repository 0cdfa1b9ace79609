"""What DDPM's steps take: kinds of coefficients, noise and seeds, transforms; and refuse."""

import math

import pytest
import torch

KEY = torch.tensor([5])
X = torch.zeros(3, 2)
STEP = {"x_t": X, "predicted_noise": X, "alpha": 0.9, "alpha_bar": 0.5, "sigma": 0.1}


def normal(rng, *shape, dtype=torch.float64):
    return torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype)


KINDS = {
    "number": lambda value: value,
    "0-d float64": lambda value: torch.tensor(value, dtype=torch.float64),
    "0-d float32": lambda value: torch.tensor(value),
    "a row": lambda value: torch.full((3,), value),
    "a float64 row": lambda value: torch.full((3,), value, dtype=torch.float64),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_kinds_of_coefficients_agree(api, rng, kind, dtype):
    x, e = normal(rng, 3, 2, 2, dtype=dtype), normal(rng, 3, 2, 2)
    kinds = {name: KINDS[kind](value) for name, value in (("alpha", 0.9), ("sigma", 0.25))}
    bar = KINDS[kind](0.5)
    out = api.ddpm_step(x, e, **kinds, alpha_bar=bar, seed=KEY)
    expected = api.ddpm_step(x, e, alpha=0.9, alpha_bar=0.5, sigma=0.25, seed=KEY)
    x_t, _ = api.ddpm_add_noise(x, bar, seed=KEY)
    assert out.dtype == x_t.dtype == dtype
    # a float32 coefficient is 3e-8 off; a result may round the other way in bfloat16
    limit = 2.0**-7 if dtype == torch.bfloat16 else 1e-6
    torch.testing.assert_close(out, expected, rtol=limit, atol=limit)
    torch.testing.assert_close(x_t, api.ddpm_add_noise(x, 0.5, seed=KEY)[0], rtol=limit, atol=limit)


def test_rows_hold_a_step_each(api, rng):
    x, e, z = (normal(rng, 3, 2, 2) for _ in range(3))
    table = {"alpha": [0.9, 0.8, 0.99], "alpha_bar": [0.4, 0.3, 0.9], "sigma": [0.1, 0.0, 0.3]}
    rows = {name: torch.tensor(row, dtype=torch.float64) for name, row in table.items()}
    whole = api.ddpm_step(x, e, **rows, noise=z)
    noised, _ = api.ddpm_add_noise(x, rows["alpha_bar"], noise=z)
    for i in range(3):
        row = {name: values[i] for name, values in table.items()}
        piece = api.ddpm_step(x[i : i + 1], e[i : i + 1], **row, noise=z[i : i + 1])
        torch.testing.assert_close(piece[0], whole[i], rtol=1e-14, atol=1e-15)
        piece, _ = api.ddpm_add_noise(x[i : i + 1], row["alpha_bar"], noise=z[i : i + 1])
        torch.testing.assert_close(piece[0], noised[i], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("sigma", [0, 0.0, torch.tensor(0.0), torch.zeros(3), -torch.zeros(3)])
def test_sigma_zero_does_not_look_at_noise(api, rng, sigma, bad):
    x, e = normal(rng, 3, 2).requires_grad_(), normal(rng, 3, 2)
    options = {"alpha": 0.9, "alpha_bar": 0.5}
    out = api.ddpm_step(x, e, **options, sigma=sigma, noise=torch.full((3, 2), bad))
    assert torch.equal(out, api.ddpm_step(x, e, **options, sigma=0))
    (slope,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(slope, torch.full_like(x, 0.9**-0.5).detach())


def test_sigma_zero_in_some_rows(api, rng):
    x, e, z = (normal(rng, 3, 2) for _ in range(3))
    z[1] = math.nan
    sigma = torch.tensor([0.5, 0.0, 0.5], dtype=torch.float64, requires_grad=True)
    out = api.ddpm_step(x, e, alpha=0.9, alpha_bar=0.5, sigma=sigma, noise=z)
    still = api.ddpm_step(x, e, alpha=0.9, alpha_bar=0.5, sigma=0)
    assert torch.equal(out[1], still[1])
    torch.testing.assert_close(out[::2], still[::2] + 0.5 * z[::2])
    (slope,) = torch.autograd.grad(out.sum(), sigma)
    assert slope.isfinite().all()


def test_a_number_zero_draws_no_seed(api, rng):
    state, free = rng.get_state(), torch.get_rng_state()
    api.ddpm_step(**(STEP | {"sigma": 0.0}), generator=rng)
    api.ddpm_step(**(STEP | {"sigma": 0}))
    assert torch.equal(rng.get_state(), state) and torch.equal(torch.get_rng_state(), free)
    api.ddpm_step(**STEP, generator=rng)
    assert not torch.equal(rng.get_state(), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_drawn_noise_is_the_seeds(api, rng, dtype):
    x, seed = normal(rng, 3, 5, dtype=dtype), torch.tensor([9, 3])
    x_t, noise = api.ddpm_add_noise(x, 0.5, seed=seed)
    assert torch.equal(noise, api.normal((3, 5), seed=seed, dtype=dtype))
    assert torch.equal(api.ddpm_add_noise(x, 0.5, noise=noise)[0], x_t)
    wide = api.normal((3, 5), seed=seed, dtype=torch.promote_types(dtype, torch.float32))
    options = {"alpha": 0.9, "alpha_bar": 0.5, "sigma": 0.5}
    drawn = api.ddpm_step(x, x, **options, seed=seed)
    assert torch.equal(drawn, api.ddpm_step(x, x, **options, noise=wide))


def test_shards_are_pieces_of_the_whole(api, rng):
    x = normal(rng, 5, 3)
    options = {"alpha": 0.9, "alpha_bar": 0.5, "sigma": 0.5}
    noised, noise = api.ddpm_add_noise(x, 0.5, seed=KEY)
    stepped = api.ddpm_step(x, x, **options, seed=KEY)
    for first, last in ((0, 1), (1, 3), (3, 5)):
        seed, piece = torch.tensor([5, 3 * first]), x[first:last]
        assert torch.equal(api.ddpm_add_noise(piece, 0.5, seed=seed)[0], noised[first:last])
        assert torch.equal(api.ddpm_add_noise(piece, 0.5, seed=seed)[1], noise[first:last])
        assert torch.equal(api.ddpm_step(piece, piece, **options, seed=seed), stepped[first:last])


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0), (1,), (1, 3, 2)])
def test_empty_and_single(api, shape):
    x = torch.ones(shape)
    x_t, noise = api.ddpm_add_noise(x, torch.full(shape[:1], 0.5), seed=KEY)
    out = api.ddpm_step(x_t, noise, alpha=0.9, alpha_bar=0.5, sigma=0.1, seed=KEY)
    assert x_t.shape == noise.shape == out.shape == shape and out.isfinite().all()


def test_vmap_maps_everything(api, rng):
    x, e = normal(rng, 4, 3, 2), normal(rng, 4, 3, 2)
    alpha, bar = 0.5 + torch.rand(4, generator=rng) / 2, torch.rand(4, 3, generator=rng)
    seeds = torch.arange(4)[:, None]

    def both(x, e, alpha, bar, seed):
        x_t, _ = api.ddpm_add_noise(x, bar, seed=seed)
        return api.ddpm_step(x_t, e, alpha=alpha, alpha_bar=bar, sigma=alpha, seed=seed)

    rows = [both(*row) for row in zip(x, e, alpha, bar, seeds, strict=True)]
    mapped = torch.vmap(both)(x, e, alpha, bar, seeds)
    torch.testing.assert_close(mapped, torch.stack(rows))


def test_compiles_whole(api, rng):
    x, e = normal(rng, 3, 2), normal(rng, 3, 2)

    def both(x, e, bar, seed):
        x_t, _ = api.ddpm_add_noise(x, bar, seed=seed)
        return api.ddpm_step(x_t, e, alpha=0.9, alpha_bar=bar, sigma=0.1, seed=seed)

    compiled = torch.compile(both, fullgraph=True, backend="aot_eager")
    for bar in (torch.tensor(0.5), torch.tensor([0.1, 0.2, 0.3])):
        torch.testing.assert_close(compiled(x, e, bar, KEY), both(x, e, bar, KEY))


def test_autocast_changes_nothing(api, rng):
    x = normal(rng, 3, 2, dtype=torch.float32)
    bar = torch.tensor([0.2, 0.5, 0.7])
    expected, _ = api.ddpm_add_noise(x, bar, seed=KEY)
    stepped = api.ddpm_step(x, x.bfloat16(), alpha=0.9, alpha_bar=bar, sigma=bar, seed=KEY)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(api.ddpm_add_noise(x, bar, seed=KEY)[0], expected)
        again = api.ddpm_step(x, x.bfloat16(), alpha=0.9, alpha_bar=bar, sigma=bar, seed=KEY)
    assert torch.equal(again, stepped) and stepped.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x0": 1.0}, TypeError, ("x0", "float")),
        ({"x0": X.int()}, TypeError, ("x0", "int32")),
        ({"x0": torch.tensor(1.0)}, ValueError, ("x0", "batch", "0-d")),
        ({"alpha_bar": 1.01}, ValueError, ("alpha_bar", "[0, 1]", "1.01")),
        ({"alpha_bar": -0.5}, ValueError, ("alpha_bar", "-0.5")),
        ({"alpha_bar": math.nan}, ValueError, ("alpha_bar", "nan")),
        ({"alpha_bar": None}, TypeError, ("alpha_bar", "NoneType")),
        ({"alpha_bar": torch.tensor([1, 2, 3])}, TypeError, ("alpha_bar", "int64")),
        ({"alpha_bar": torch.ones(2)}, ValueError, ("alpha_bar", "(3,)", "(2,)")),
        ({"alpha_bar": torch.ones(3, 1)}, ValueError, ("alpha_bar", "(3, 1)")),
        ({"alpha_bar": torch.ones(3, device="meta")}, ValueError, ("alpha_bar", "meta")),
        ({"noise": torch.zeros(3, 1)}, ValueError, ("noise", "(3, 2)", "(3, 1)")),
        ({"noise": X.int()}, TypeError, ("noise", "int32")),
        ({"noise": X, "seed": KEY}, ValueError, ("noise and seed",)),
        ({"noise": X, "generator": torch.Generator()}, ValueError, ("noise and generator",)),
        ({"seed": KEY, "generator": torch.Generator()}, ValueError, ("seed and generator",)),
        ({"seed": KEY.float()}, TypeError, ("seed", "float32")),
    ],
)
def test_add_noise_refusals(api, refuses, change, error, words):
    with refuses(error, *words):
        api.ddpm_add_noise(**({"x0": X, "alpha_bar": 0.5} | change))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x_t": None}, TypeError, ("x_t", "NoneType")),
        ({"x_t": X.long()}, TypeError, ("x_t", "int64")),
        ({"x_t": torch.tensor(0.0)}, ValueError, ("x_t", "batch")),
        ({"predicted_noise": torch.zeros(2, 3)}, ValueError, ("predicted_noise", "(2, 3)")),
        ({"predicted_noise": X.to("meta")}, ValueError, ("predicted_noise", "meta")),
        ({"alpha": 0}, ValueError, ("alpha", "(0, 1]", "0")),
        ({"alpha": 1.5}, ValueError, ("alpha", "1.5")),
        ({"alpha_bar": 1.0}, ValueError, ("alpha_bar", "[0, 1)", "1.0")),
        ({"alpha_bar": -1e-9}, ValueError, ("alpha_bar", "-1e-09")),
        ({"sigma": -0.1}, ValueError, ("sigma", "[0, inf)", "-0.1")),
        ({"sigma": math.inf}, ValueError, ("sigma", "inf")),
        ({"sigma": math.nan}, ValueError, ("sigma", "nan")),
        ({"sigma": False}, TypeError, ("sigma", "bool")),
        ({"sigma": torch.zeros(2)}, ValueError, ("sigma", "(3,)", "(2,)")),
        ({"alpha": torch.zeros(3).int()}, TypeError, ("alpha", "int32")),
        ({"noise": torch.zeros(3)}, ValueError, ("noise", "(3, 2)", "(3,)")),
        ({"noise": X, "seed": KEY}, ValueError, ("noise and seed",)),
        ({"sigma": 0, "noise": X, "seed": KEY}, ValueError, ("noise and seed",)),
        ({"seed": 3}, TypeError, ("seed", "int")),
        ({"generator": 3}, TypeError, ("generator", "int")),
    ],
)
def test_step_refusals(api, refuses, change, error, words):
    with refuses(error, *words):
        api.ddpm_step(**(STEP | change))
