"""The extension: loading it, why it is absent, and what it tells of itself. Nothing is compiled.

The library registers `torch.ops.genbench.*`; the module `genbench._build` beside it knows what was
built and which CPU kernels run here.
"""

import platform
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch

from genbench.errors import InputError

Fake = TypeVar("Fake", bound=Callable[..., Any])
Rule = TypeVar("Rule", bound=Callable[..., Any])
REMEDY = "`make env`, or `GENBENCH_BUILD=require pip install --no-build-isolation -e .`"


def load_error() -> str | None:
    """Why there is no extension; None where there is one."""
    return _load_error


def setting_error() -> str | None:
    """What is wrong with GENBENCH_INSTRUCTION_SET; None where nothing is."""
    return _setting_error


def instruction_set() -> str:
    """The CPU kernels in use: "baseline", "avx2" or "avx512". Needs the extension.

    Errors: InputError for a GENBENCH_INSTRUCTION_SET that is unknown or that this machine lacks.
    """
    assert _build is not None
    try:
        return _build.instruction_set()
    except RuntimeError as error:
        raise InputError(str(error)) from None


def cuda_built() -> bool:
    """Whether the extension has CUDA kernels that this torch can call; ROCm's calls itself cuda."""
    return _build is not None and bool(_build.cuda) and torch.version.hip is None


def build_info() -> dict[str, str] | None:
    """What was built and what of it runs here, by name; None without extension.

    Errors: InputError for a wrong GENBENCH_INSTRUCTION_SET.
    """
    if _build is None:
        return None
    return {
        "library": str(_library(_build)),
        "compiler": _build.compiler,
        "sources": _build.sources,
        "instruction sets": " ".join(_build.instruction_sets()),
        "instruction set in use": instruction_set(),
        "CUDA": _build.cuda or "not built",
    }


def register_fake(op: str) -> Callable[[Fake], Fake]:
    """Decorates a function that gives the shapes and dtypes of the raw operation `op`, for
    torch.compile and for opcheck; without extension there is nothing to register. An extension
    without that operation is left aside: it was built for older code."""

    def register(fake: Fake) -> Fake:
        if _build is not None and not hasattr(torch.ops.genbench, op):
            _leave_aside(f"the extension is older than this code: it has no operation {op}")
        if _build is not None:
            torch.library.register_fake(f"genbench::{op}", fake)
        return fake

    return register


def register_vmap(op: str) -> Callable[[Rule], Rule]:
    """Decorates rule(raw operation, in_dims, *arguments) -> result, out_dims: what torch.vmap does
    with the raw operation `op`."""

    def register(rule: Rule) -> Rule:
        if _build is not None:
            raw = getattr(torch.ops.genbench, op)
            torch.library.register_vmap(
                f"genbench::{op}", lambda info, dims, *arguments: rule(raw, dims, *arguments)
            )
        return rule

    return register


def _leave_aside(why: str) -> None:
    global _build, _load_error
    _build, _load_error = None, why


def _library(build: ModuleType) -> Path:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    return Path(str(build.__file__)).with_name(f"_ops{suffix}")


def _load() -> tuple[ModuleType | None, str | None]:
    """The module that tells of the build, and why there is none."""
    try:
        from genbench import _build
    except ImportError as error:
        return None, _why_absent(error)
    try:
        torch.ops.load_library(str(_library(_build)))
    except OSError as error:  # built against a torch that this one cannot stand in for
        return None, f"the extension does not load: {str(error).splitlines()[0]}"
    return _build, None


def _why_absent(error: ImportError) -> str:
    package = Path(__file__).parents[1]
    if next(package.glob("_build.*.so"), None) is not None:
        return f"the extension does not import: {str(error).splitlines()[0]}"
    if platform.system() != "Linux":
        return f"there is no extension for {platform.system()}"
    record = package / "_build_mode.txt"
    if record.is_file():
        return f"the extension was not built: {record.read_text().strip().removeprefix('skip: ')}"
    return "the extension was not built"


def _check_setting() -> str | None:
    try:
        instruction_set()
    except InputError as error:
        return str(error)
    return None


_build, _load_error = _load()
_setting_error: str | None = None
if _build is not None:
    _setting_error = _check_setting()
