"""Catalog entries: what a name stands for and where it lives, readable without torch."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from genbench.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One catalog line. `target` is "package.module:attribute"; `preset` holds fixed arguments."""

    target: str
    line: str
    preset: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """Import and return what the entry names."""
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


def unknown_name(argument: str, name: object, known: Iterable[str]) -> InputError:
    """The error for a name that no catalog holds: names the argument, the value and the choices."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return InputError(f"{argument}: unknown name '{name}'; {hint}known: {', '.join(known)}")


def look_up(catalog: Mapping[str, Entry], name: object, *, argument: str) -> Entry:
    """Return the entry called `name`; raises InputError that names `argument` and the choices."""
    if not isinstance(name, str) or name not in catalog:
        raise unknown_name(argument, name, catalog)
    return catalog[name]
