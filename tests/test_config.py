"""Checked configurations: types, bounds, choices, what JSON brings, and the error lines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from genbench.config import bounded, check, make_config
from genbench.errors import InputError


@dataclass(frozen=True)
class Config:
    shape: tuple[int, ...]
    width: int = bounded(8, low=1)
    rate: float = bounded(1e-3, above=0.0)
    share: float | None = bounded(None, low=0.0, below=1.0)
    betas: tuple[float, float] = bounded((0.9, 0.99), low=0.0, below=1.0)
    kind: Literal["a", "b"] = "a"
    flag: bool = False
    name: str = "x"
    function: str | Callable[..., Any] = "f"

    def __post_init__(self):
        check(self)


def test_values_become_what_the_annotations_say():
    brought: Any = {"shape": [1, 8, 8], "rate": 1, "betas": [0, 0.5], "share": 0}  # by JSON
    config = Config(**brought)
    assert config == Config((1, 8, 8), rate=1.0, betas=(0.0, 0.5), share=0.0)
    assert isinstance(config.rate, float) and isinstance(config.shape, tuple)
    assert all(isinstance(beta, float) for beta in config.betas)
    assert Config((2,), function=len).function is len


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("width", 0, "width must be a whole number of at least 1, got 0"),
        ("width", 2.0, "width must be a whole number of at least 1, got 2.0"),
        ("width", True, "width must be a whole number of at least 1, got True"),
        ("width", "8", "width must be a whole number of at least 1, got '8'"),
        ("rate", 0, "rate must be a finite number above 0, got 0"),
        ("rate", float("nan"), "rate must be a finite number above 0, got nan"),
        ("rate", float("inf"), "rate must be a finite number above 0, got inf"),
        ("rate", None, "rate must be a finite number above 0, got None"),
        ("share", 1.0, "share must be a finite number of at least 0 and below 1 or none, got 1.0"),
        ("betas", (0.5,), "betas must be 2 values, each a finite number of at least 0 and below 1"),
        ("betas", (0.5, 1.0), r"betas must be 2 values.*, got \(0.5, 1.0\)"),
        ("shape", (), r"shape must be a list, each a whole number, got \(\)"),
        ("shape", 8, "shape must be a list, each a whole number, got 8"),
        ("shape", "88", "shape must be a list"),
        ("kind", "c", "kind must be one of 'a', 'b', got 'c'"),
        ("kind", ["a"], r"kind must be one of 'a', 'b', got \['a'\]"),
        ("flag", 1, "flag must be true or false, got 1"),
        ("name", 3, "name must be text, got 3"),
    ],
)
def test_what_does_not_fit_is_one_line(field, value, line):
    with pytest.raises(InputError, match=line) as caught:
        Config(**{"shape": (2,), field: value})
    assert "\n" not in str(caught.value)


def test_an_unknown_field_names_the_known_ones():
    with pytest.raises(InputError, match="gan has no field 'widht'; did you mean 'width'"):
        make_config(Config, {"shape": (2,), "widht": 3}, name="gan")
    assert make_config(Config, {"shape": (2,), "width": 3}, name="gan").width == 3
