"""Pickles read as data: what Python's unpickler reads of plain values, and nothing else."""

import collections
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genbench.data.origin import Origin
from genbench.data.pickles import read_pickle
from genbench.errors import InputError

ORIGIN = Origin("data", Path("batch"))
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text() | st.binary(min_size=1)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.dictionaries(st.text(), VALUES, max_size=5), st.integers(0, 5))
def test_plain_values_come_back(value, protocol):
    assert read_pickle(pickle.dumps(value, protocol), ORIGIN) == value


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 5), st.sampled_from("CF")
)
def test_arrays_of_bytes_come_back(shape, protocol, order):
    x = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8, order=order)
    found = read_pickle(pickle.dumps({"x": x, "again": x}, protocol), ORIGIN)
    for name in ("x", "again"):
        assert found[name].dtype == np.uint8
        np.testing.assert_array_equal(found[name], x)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        {"x": collections.OrderedDict(a=1)},
        {"x": {1, 2}},
        {"x": 1.5},
        {"x": Path("a")},
        {"x": np.zeros(3)},
        {"x": np.array([print], dtype=object)},
        {"x": np.float64(1)},
        {"x": print},
        {"x": int},
        {"x": 1j},
        {1: 2},
        [1, 2],
        "text",
        None,
    ],
    ids=str,
)
def test_everything_else_is_refused(value, protocol):
    with pytest.raises(InputError, match=r"^data: batch (is a|must hold a dict)") as caught:
        read_pickle(pickle.dumps(value, protocol), ORIGIN)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200


def test_text_pickles_of_python_2():
    lines = ["(dp1", "S'num_vis'", "p2", "L3072L", "sS'label_names'", "p3", "(lp4", "S'a cat'"]
    content = "\n".join(
        [*lines, "p5", "aS'it\\'s a dog'", "p6", "ag5", "asS'none'", "Ns."]
    ).encode()
    found = read_pickle(content, ORIGIN)
    assert found == {"num_vis": 3072, "label_names": ["a cat", "it's a dog", "a cat"], "none": None}
    assert found == pickle.loads(content)
