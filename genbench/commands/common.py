"""What several commands read and print."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genbench.errors import InputError


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE by key; a value is JSON where it reads as JSON, else text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise InputError(f"set: must be KEY=VALUE, got '{pair}'")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found


def shown(path: Path) -> str:
    """The path as the user would type it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
