"""The user's own functions in a study: how another process finds them, and what identifies them."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from genbench import files
from genbench.errors import InputError
from genbench.losses import create_loss
from genbench.models import create_model
from genbench.train.loop import initial_weights

Function = Callable[..., Any]


def name_losses(losses: Any) -> dict[str, str | Function]:
    """{name: loss} of names, callables, a sequence of both or a dict of named callables.

    Raises InputError for an unknown name, something that is neither, none, or one name twice.
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


def check_networks(
    data_shape: tuple[int, ...], config: Mapping[str, Any], networks: Mapping[str, Function | None]
) -> None:
    """Make the model once, so that a bad constant or network is refused before anything runs.

    Raises InputError for a field or value that Config refuses, for a network that is not made anew
    for each seed, and for one whose output has the wrong shape.
    """
    for argument, make in networks.items():
        if make is not None and (isinstance(make, nn.Module) or not callable(make)):
            raise InputError(
                f"{argument}: must be a function that returns a new network for each seed, "
                f"got {type(make).__name__}"
            )
    with initial_weights(0):
        model: Any = create_model("gan", data_shape=data_shape, **config, **networks)
    latents = torch.zeros(4, model.config.latent_dim)
    real = torch.zeros(4, *data_shape)
    _check_output("generator", model.generator, latents, (4, *data_shape))
    _check_output("critic", model.critic, real, (4, 1), (4,))


def _check_output(
    argument: str, network: nn.Module, x: torch.Tensor, *shapes: tuple[int, ...]
) -> None:
    expected = " or ".join(map(str, shapes))
    try:
        with torch.no_grad():
            found = tuple(network(x).shape)
    except RuntimeError as error:  # how torch reports sizes that do not fit
        raise InputError(f"{argument}: does not take {tuple(x.shape)} ({error})") from error
    if found not in shapes:
        raise InputError(f"{argument}: must map {tuple(x.shape)} to {expected}, got {found}")


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
