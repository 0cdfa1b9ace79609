"""The user's own functions in a study: how another process finds them, and what identifies them."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from genbench import files
from genbench.errors import InputError
from genbench.losses import create_loss
from genbench.models import create_model
from genbench.train.loop import global_seed
from genbench.train.optimizers import make_optimizer

Function = Callable[..., Any]


def name_losses(losses: Any) -> dict[str, str | Function]:
    """{label: loss} of names, callables, a sequence of both or a dict of them by label.

    Raises InputError for an unknown name, something that is neither, none, or one label twice.
    """
    if isinstance(losses, Mapping):
        pairs = [(str(label), loss) for label, loss in losses.items()]
    else:
        several = isinstance(losses, list | tuple)
        pairs = [(_name_of(loss), loss) for loss in (losses if several else [losses])]
    if not pairs:
        raise InputError("losses: must name at least one objective, got none")
    for label, loss in pairs:
        _name_of(loss)
        if [other for other, _ in pairs].count(label) > 1:
            raise InputError(f"losses: '{label}' is named twice")
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
    for each seed, and for one that does not fit: a loss may show the critic packed points.
    """
    for argument, make in networks.items():
        if make is not None:
            _check_makes_anew(argument, make)
    with global_seed(0):
        own = {name: make for name, make in networks.items() if make is not None}
        model: Any = create_model("gan", data_shape=data_shape, **{**config, **own})
    for phase in model.phases:
        make_optimizer(model.optimizer(phase), model.phase_parameters(phase))
    _check_output(
        "generator", model.generator, torch.zeros(4, model.config.latent_dim), (4, *data_shape)
    )
    _check_output("critic", model.critic, torch.zeros(4, *model.shown_shape), (4, 1), (4,))


def _check_makes_anew(argument: str, make: Any) -> None:
    rule = f"{argument}: must be a function that returns a new network for each seed"
    if isinstance(make, nn.Module) or not callable(make):
        raise InputError(f"{rule}, got {type(make).__name__}")
    try:
        with global_seed(0):
            first, second = make(), make()
    except Exception as error:
        raise InputError(f"{rule} and needs no argument, it raised {_text(error)}") from error
    if not isinstance(first, nn.Module) or not isinstance(second, nn.Module):
        raise InputError(f"{rule}, it returned {type(first).__name__}")
    if not list(first.parameters()):
        raise InputError(f"{argument}: must have parameters to train, got none")
    if {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}:
        raise InputError(f"{rule}, it returned the same weights twice")


def _check_output(
    argument: str, network: nn.Module, x: torch.Tensor, *shapes: tuple[int, ...]
) -> None:
    expected = " or ".join(map(str, shapes))
    try:
        with torch.no_grad():
            found = network(x)
    except Exception as error:  # whatever a network may raise at sizes that do not fit
        raise InputError(f"{argument}: does not take {tuple(x.shape)} ({_text(error)})") from error
    if not isinstance(found, torch.Tensor) or tuple(found.shape) not in shapes:
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise InputError(f"{argument}: must map {tuple(x.shape)} to {expected}, got {shape}")


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


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


def identity(argument: str, part: str | Function | None) -> str | None:
    """What enters a cell's key: a catalog name, or the digest of all that a function holds.

    That is its code with constants, defaults and closure, a partial's arguments, an object's
    attributes, its class and that class's own bases; not what it looks up in its module when it
    runs. Raises InputError for values that have no lasting text.
    """
    if part is None or isinstance(part, str):
        return part
    return files.sha256(_description(argument, part, ()).encode())[:16]


_CODE = (types.FunctionType, staticmethod, classmethod, property)
_DATA = (type(None), bool, int, float, complex, str, bytes, Mapping, set, frozenset, list, tuple)


def _of_class(kind: type) -> list[Any]:
    """A class's functions and constants by name, and the classes of the user's that it extends."""
    own = {
        name: value
        for name, value in vars(kind).items()
        if isinstance(value, _CODE)
        or (isinstance(value, (*_DATA, torch.Tensor, np.ndarray)) and not name.startswith("__"))
    }
    return [own, [b for b in kind.__bases__ if b.__module__.split(".")[0] not in _NOT_OWN]]


# Their versions stand in the row.
_NOT_OWN = ("builtins", "torch", "abc", "typing")


def _description(argument: str, value: Any, inside: tuple[int, ...]) -> str:
    """A text that is the same in every process exactly when the value is."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | type(...)):
        return repr(value)
    if id(value) in inside:  # a function that holds itself
        return "..."

    def inner(item: Any) -> str:
        return _description(argument, item, (*inside, id(value)))

    if isinstance(value, torch.Tensor | np.ndarray):
        array = np.ascontiguousarray(torch.as_tensor(value).detach().cpu().numpy())
        return f"{array.dtype} {array.shape} {files.sha256(array.tobytes())}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{inner(k)}: {inner(v)}' for k, v in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(inner, value)))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inner, value))}]"
    if isinstance(value, types.CodeType):
        # arguments come by keyword, so their order in the code says who is who
        taken = value.co_varnames[: value.co_argcount + value.co_kwonlyargcount]
        return f"code {value.co_code.hex()} {inner([value.co_consts, value.co_names, taken])}"
    if isinstance(value, functools.partial):
        return f"partial {inner([value.func, value.args, value.keywords])}"
    if isinstance(value, types.MethodType):
        return f"method {inner([value.__func__, value.__self__])}"
    if isinstance(value, types.FunctionType):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        return f"function {inner([value.__code__, value.__defaults__, value.__kwdefaults__, held])}"
    if isinstance(value, type) and value.__module__ != "builtins" and "__code__" not in dir(value):
        return f"class {value.__module__}.{value.__qualname__} {inner(_of_class(value))}"
    if isinstance(value, staticmethod | classmethod):
        return f"{type(value).__name__} {inner(value.__func__)}"
    if isinstance(value, property):
        return f"property {inner(value.fget)}"
    if isinstance(value, types.ModuleType | types.BuiltinFunctionType | type):
        return f"{getattr(value, '__module__', '')}.{value.__name__}"
    if isinstance(value, torch.dtype | torch.device):
        return str(value)
    if hasattr(value, "__dict__"):
        return f"object {inner(type(value))} {inner(vars(value))}"
    raise InputError(
        f"{argument}: holds a {type(value).__name__}, which cannot be told from another one; "
        "use a function without it"
    )
