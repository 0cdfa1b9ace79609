"""The user's own functions in a study: how another process finds them, and what identifies them."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from genbench import files
from genbench.errors import InputError
from genbench.losses import create_loss

Function = Callable[..., Any]


def name_losses(losses: Any) -> dict[str, str | Function]:
    """{name: loss} of names, callables, a sequence of both or a dict of named callables.

    Raises InputError for an unknown name, something that is neither, none at all, or one name twice.
    """
    if isinstance(losses, Mapping):
        pairs = [(str(name), loss) for name, loss in losses.items()]
    else:
        several = isinstance(losses, list | tuple)
        pairs = [(_name_of(loss), loss) for loss in (losses if several else [losses])]
    if not pairs:
        raise InputError("losses: must name at least one objective, got none")
    for name, loss in pairs:
        if [other for other, _ in pairs].count(name) > 1:
            raise InputError(f"losses: '{name}' is named twice")
        if isinstance(loss, str):
            create_loss(loss)
    return dict(pairs)


def _name_of(loss: Any) -> str:
    if isinstance(loss, str):
        return loss
    if not callable(loss):
        raise InputError(f"losses: expected a name or a callable, got {type(loss).__name__}")
    return getattr(loss, "__name__", type(loss).__name__)


def check_network(argument: str, make: Any) -> None:
    """Raises InputError unless `make` is None or a function that makes a new network."""
    if make is None:
        return
    if isinstance(make, nn.Module) or not callable(make):
        raise InputError(
            f"{argument}: must be a function that returns a new network for each seed, "
            f"got {type(make).__name__}"
        )


def reference(function: Function) -> str | None:
    """ "module:name" under which another process can import `function`; None when it cannot."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", "")
    if module in (None, "__main__") or not name:
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}:{name}" if found is function else None


def resolve(target: str) -> Function:
    """The function that `reference` named."""
    module, _, name = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def identity(function: str | Function | None) -> str | None:
    """What enters a cell's key: a catalog name, or the digest of a function's source text.

    Only the function's own text is seen, not what it calls.
    """
    if function is None or isinstance(function, str):
        return function
    kind = function if inspect.isroutine(function) or inspect.isclass(function) else type(function)
    try:
        text = inspect.getsource(kind)
    except (OSError, TypeError):  # typed at a prompt
        text = getattr(function, "__qualname__", repr(kind))
    return files.sha256(text.encode())[:16]
