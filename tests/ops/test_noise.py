"""Philox noise against the published known answers and a NumPy derivation of its own."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from samples import philox

from genbench.ops import fold_seed
from genbench.ops import reference as ref
from genbench.ops.noise import check_source, philox_4x32_10, resolve_seed, wide_on

CPU = torch.device("cpu")
INT64 = st.integers(-(2**63), 2**63 - 1)

# Random123, tests/kat_vectors, the lines "philox4x32 10": counter, key, result.
KNOWN_ANSWERS = """
00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8
ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd
243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1
"""


def from_first(first, n):
    """The numbers of n elements: the first one is unsigned, and nothing wraps around."""
    return range(first % 2**64, first % 2**64 + n)


def key_seed(key, *first):
    return torch.tensor([key, *first], dtype=torch.int64)


@pytest.mark.parametrize("line", KNOWN_ANSWERS.strip().splitlines())
def test_known_answers(line):
    words = torch.tensor([int(word, 16) for word in line.split()])
    counter, key, result = words[:4].unsqueeze(1), words[4:6], words[6:]
    assert torch.equal(philox_4x32_10(counter.expand(4, 3), key), result.expand(3, 4))


def test_known_answer_through_uniform(api):
    u = api.uniform(4, seed=key_seed(0), dtype=torch.float64)
    words = torch.tensor([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], dtype=torch.float64)
    assert torch.equal(u * 2**32, words + 0.5)


def test_all_ones_through_uniform(api):
    """Key -1 is all ones; the last element's counter is 2^62 - 1, not all ones: NumPy decides."""
    u = api.uniform(4, seed=key_seed(-1, -4), stream=2**63 - 1, dtype=torch.float64)
    expected = philox.uniform(-1, range(-4, 0), 2**63 - 1)
    assert torch.equal(u, torch.from_numpy(expected))


@given(key=INT64, first=INT64, stream=st.integers(0, 2**63 - 1), n=st.integers(0, 9))
def test_uniform_equals_numpy(key, first, stream, n):
    u = ref.uniform((n,), seed=key_seed(key, first), stream=stream, dtype=torch.float64)
    expected = philox.uniform(key, from_first(first, n), stream)
    assert np.array_equal(u.numpy(), expected)


@given(key=INT64, first=INT64, stream=st.integers(0, 2**63 - 1), n=st.integers(0, 9))
def test_normal_equals_numpy(key, first, stream, n):
    z = ref.normal((n,), seed=key_seed(key, first), stream=stream, dtype=torch.float64)
    expected = philox.normal(key, from_first(first, n), stream)
    # log(u^2) rounds u^2: 1e-16 over |log u|, and the root stretches it near u = 1
    np.testing.assert_allclose(z.numpy(), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("dtype", "error"),
    [
        (torch.float64, 1e-9),
        (torch.float32, 1e-5),  # the agreed bound for float32 evaluations
        (torch.bfloat16, 2**-6),  # half a unit in the last place at |z| < 8
        (torch.float16, 2**-9),
    ],
)
def test_dtypes_draw_the_same_words(api, dtype, error):
    seed = key_seed(12, 3)
    z, u = (draw((2, 501), seed=seed, dtype=dtype) for draw in (api.normal, api.uniform))
    assert z.dtype == u.dtype == dtype
    elements = range(3, 3 + 1002)
    np.testing.assert_allclose(z.double().numpy().ravel(), philox.normal(12, elements), atol=error)
    np.testing.assert_allclose(u.double().numpy().ravel(), philox.uniform(12, elements), atol=error)


@pytest.mark.parametrize("name", ["uniform", "normal"])
@pytest.mark.parametrize("cuts", [(0, 1, 2, 3, 50), (0, 4, 27, 50), (0, 13, 13, 50)])
def test_shards_are_pieces_of_the_whole(api, name, cuts):
    draw = getattr(api, name)
    whole = draw(50, seed=key_seed(5))
    pieces = [draw(b - a, seed=key_seed(5, a)) for a, b in pairwise(cuts)]
    assert torch.equal(torch.cat(pieces), whole)


@pytest.mark.parametrize("first", [2**33 + 1, 2**34 - 2, 2**34 - 1, 2**40 + 3, 2**63 - 3])
def test_far_elements(api, first):
    """2^34 elements are 2^32 blocks: there the second counter word begins to count."""
    u = api.uniform(6, seed=key_seed(9, first), dtype=torch.float64)
    assert np.array_equal(u.numpy(), philox.uniform(9, range(first, first + 6)))
    z = api.normal(6, seed=key_seed(9, first), dtype=torch.float64)
    np.testing.assert_allclose(z.numpy(), philox.normal(9, range(first, first + 6)), rtol=1e-9)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), 5, (2, 3), torch.Size([7])])
def test_shapes(api, shape):
    z = api.normal(shape, seed=key_seed(1))
    assert z.shape == torch.empty(shape).shape
    flat = api.normal(z.numel(), seed=key_seed(1))
    assert torch.equal(z.flatten(), flat)


def test_vmap_maps_the_seed(api):
    seeds = torch.tensor([[3, 0], [3, 5], [-8, 2]])
    mapped = torch.vmap(lambda seed: api.normal((2, 3), seed=seed))(seeds)
    for row, seed in zip(mapped, seeds, strict=True):
        torch.testing.assert_close(row, api.normal((2, 3), seed=seed), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_compiles_whole(api, name):
    draw = getattr(api, name)
    compiled = torch.compile(draw, fullgraph=True, backend="aot_eager")
    for seed in (key_seed(-4), key_seed(-4, 7)):
        assert torch.equal(compiled((3, 5), seed=seed), draw((3, 5), seed=seed))


@given(key=INT64, index=st.integers(-(2**70), 2**70), first=st.none() | INT64)
def test_fold_seed_is_a_weyl_sequence(key, index, first):
    seed = key_seed(key) if first is None else key_seed(key, first)
    folded = fold_seed(seed, index)
    assert int(folded[0]) % 2**64 == (key + index * 0x9E3779B97F4A7C15) % 2**64
    assert folded.tolist()[1:] == seed.tolist()[1:]
    assert torch.equal(fold_seed(folded, -index), seed)


def test_fold_seed_under_vmap():
    seeds = torch.tensor([[3, 4], [5, 6]])
    folded = torch.vmap(lambda seed: fold_seed(seed, 2))(seeds)
    assert torch.equal(folded, torch.stack([fold_seed(seed, 2) for seed in seeds]))


def test_resolve_seed_advances_the_generator(rng):
    first, second = (resolve_seed(None, rng, device=CPU) for _ in range(2))
    assert first.shape == (1,) and first.dtype == torch.int64 and first != second
    again = resolve_seed(None, torch.Generator().manual_seed(7), device=CPU)
    assert torch.equal(first, again)
    given_seed = key_seed(1, 2)
    assert resolve_seed(given_seed, None, device=CPU) is given_seed


def test_resolve_seed_follows_manual_seed():
    keys = []
    for _ in range(2):
        torch.manual_seed(11)
        keys.append(resolve_seed(None, None, device=CPU))
    assert torch.equal(*keys) and not torch.equal(keys[0], resolve_seed(None, None, device=CPU))


def test_metal_has_no_float64():
    assert wide_on(torch.device("mps")) == torch.float32
    assert wide_on(CPU) == torch.float64


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"seed": 3}, TypeError, ("seed", "int")),
        ({"seed": torch.tensor([1.0])}, TypeError, ("seed", "int64", "float32")),
        ({"seed": torch.tensor([1], dtype=torch.int32)}, TypeError, ("int64", "int32")),
        ({"seed": torch.tensor(1)}, ValueError, ("seed", "(1,) or (2,)", "()")),
        ({"seed": torch.tensor([1, 2, 3])}, ValueError, ("seed", "(3,)")),
        ({"seed": torch.tensor([[1]])}, ValueError, ("seed", "(1, 1)")),
        ({"stream": -1}, ValueError, ("stream", "-1")),
        ({"stream": 2**63}, ValueError, ("stream", "2^63")),
        ({"stream": 1.0}, TypeError, ("stream", "1.0")),
        ({"stream": True}, TypeError, ("stream", "True")),
        ({"dtype": torch.int64}, TypeError, ("dtype", "torch.int64")),
        ({"dtype": torch.complex64}, TypeError, ("dtype", "complex64")),
        ({"shape": (2, -1)}, ValueError, ("shape", "(2, -1)")),
    ],
)
@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_refusals(api, refuses, name, change, error, words):
    arguments = {"shape": (2,), "seed": key_seed(1)} | change
    with refuses(error, *words):
        getattr(api, name)(**arguments)


def test_seed_refusals(refuses, rng):
    number: Any = 3
    half: Any = 1.5
    row: Any = [1]
    with refuses(ValueError, "seed and generator"):
        check_source(key_seed(1), rng, device=CPU)
    with refuses(TypeError, "generator", "int"):
        check_source(None, number, device=CPU)
    with refuses(ValueError, "seed must be on meta", "cpu"):
        check_source(key_seed(1), None, device=torch.device("meta"))
    with refuses(ValueError, "generator must be on meta", "cpu"):
        check_source(None, rng, device=torch.device("meta"))
    with refuses(TypeError, "index", "1.5"):
        fold_seed(key_seed(1), half)
    with refuses(TypeError, "seed", "list"):
        fold_seed(row, 1)
