"""Configurations: frozen dataclasses whose fields are checked by annotation and bounds."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from genbench.errors import InputError


@dataclass(frozen=True)
class Bounds:
    """What a number, or each of several, must keep to; low and high may be reached."""

    low: float | None = None
    above: float | None = None
    high: float | None = None
    below: float | None = None

    def hold(self, x: float) -> bool:
        """Whether x lies inside."""
        return not (
            (self.low is not None and x < self.low)
            or (self.above is not None and x <= self.above)
            or (self.high is not None and x > self.high)
            or (self.below is not None and x >= self.below)
        )

    def text(self) -> str:
        """' of at least 1 and below 2', or nothing."""
        words = {"at least": self.low, "above": self.above, "at most": self.high}
        said = [
            f"{word} {x:g}" for word, x in {**words, "below": self.below}.items() if x is not None
        ]
        return f" {' and '.join(said)}" if said else ""


def bounded(
    default: Any = dataclasses.MISSING,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> Any:
    """A field of a Config, a number or several, with bounds."""
    return dataclasses.field(
        default=default, metadata={"bounds": Bounds(low=low, above=above, high=high, below=below)}
    )


def check(config: Any) -> None:
    """Checks every field of a dataclass by annotation and bounds; call it from __post_init__.

    Known annotations: bool, int, float, str, Literal, tuples, each of them or None; others are left
    to the class. Whole numbers become floats where floats are wanted, lists become tuples. Raises
    InputError "FIELD must be ..., got ...".
    """
    for field, annotation in _annotated(type(config)):
        bounds = field.metadata.get("bounds", Bounds())
        value = getattr(config, field.name)
        try:
            fitting = _fit(value, annotation, bounds)
        except (TypeError, ValueError) as error:
            wanted = _describe(annotation, bounds)
            raise InputError(f"{field.name} must be {wanted}, got {value!r}") from error
        if fitting is not value:
            object.__setattr__(config, field.name, fitting)


def make_config(kind: type[Any], options: Mapping[str, Any], *, name: str) -> Any:
    """`kind(**options)`; raises InputError for a field that `kind` lacks, by the name `name`."""
    known = [field.name for field in fields(kind)]
    for option in options:
        if option not in known:
            close = difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise InputError(f"{name} has no field '{option}'; {hint}fields: {', '.join(known)}")
    return kind(**options)


@cache
def _annotated(kind: type[Any]) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = get_type_hints(kind)
    return [(field, hints[field.name]) for field in fields(kind)]


def _fit(value: Any, annotation: Any, bounds: Bounds) -> Any:
    """`value` as the annotation wants it; ValueError or TypeError where it does not fit."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _fit_any(value, inner, bounds)
    if origin is Literal:
        if value not in inner or isinstance(value, bool) not in {
            isinstance(x, bool) for x in inner
        }:
            raise ValueError(value)
        return value
    if origin is tuple:
        return _fit_tuple(value, inner, bounds)
    if annotation is type(None):
        if value is not None:
            raise ValueError(value)
        return None
    if annotation in (bool, str):
        if not isinstance(value, annotation):
            raise TypeError(value)
        return value
    return _fit_number(value, annotation, bounds) if annotation in (int, float) else value


def _fit_any(value: Any, choices: tuple[Any, ...], bounds: Bounds) -> Any:
    for choice in choices:
        try:
            return _fit(value, choice, bounds)
        except (TypeError, ValueError):
            continue
    raise ValueError(value)


def _fit_tuple(value: Any, inner: tuple[Any, ...], bounds: Bounds) -> Any:
    if not isinstance(value, tuple | list):
        raise TypeError(value)
    kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
    if len(kinds) != len(value) or not value:
        raise ValueError(value)
    found = tuple(_fit(x, kind, bounds) for x, kind in zip(value, kinds, strict=True))
    # the same object where nothing changed
    same = isinstance(value, tuple) and all(a is b for a, b in zip(found, value, strict=True))
    return value if same else found


def _fit_number(value: Any, kind: type, bounds: Bounds) -> Any:
    wanted = int if kind is int else int | float
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise TypeError(value)
    if not math.isfinite(value) or not bounds.hold(value):
        raise ValueError(value)
    return value if isinstance(value, kind) else float(value)


def _describe(annotation: Any, bounds: Bounds) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(choice, bounds) for choice in inner)
    if origin is Literal:
        return f"one of {', '.join(repr(x) for x in inner)}"
    if origin is tuple:
        each = _describe(inner[0], bounds)
        return (
            f"a list, each {each}" if inner[1:] == (...,) else f"{len(inner)} values, each {each}"
        )
    words = {bool: "true or false", str: "text", type(None): "none"}
    if annotation in words:
        return words[annotation]
    if annotation in (int, float):
        number = "a whole number" if annotation is int else "a finite number"
        return number + (f" of{text}" if (text := bounds.text()).startswith(" at") else text)
    return getattr(annotation, "__name__", str(annotation))
