"""Which formulas the operations run: the fused kernels of the extension, or plain torch.

GENBENCH_BACKEND=reference|fused decides for a process, `with backend("reference"):` for a block;
else the kernels run where the extension was built.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd import forward_ad

from genbench.errors import InputError
from genbench.ops import extension
from genbench.ops.extension import build_info, load_error

__all__ = [
    "BackendUnavailable",
    "active",
    "backend",
    "build_info",
    "describe",
    "fused_for",
    "load_error",
]

BACKENDS = ("reference", "fused")
# The dtypes each kernel serves. Noise is asked for by its seed.
_FLOATS = frozenset((torch.float16, torch.bfloat16, torch.float32, torch.float64))
_KERNELS = {
    "reparameterize_kl": _FLOATS,
    "discriminator_bce": _FLOATS,
    "generator_bce": _FLOATS,
    "interpolate": _FLOATS,
    "gradient_norm_penalty": _FLOATS,
    "gradient_penalty": _FLOATS,  # by the kernels of the two before
    "ddpm_add_noise": _FLOATS,
    "ddpm_step": _FLOATS,
    "uniform": frozenset((torch.int64,)),
    "normal": frozenset((torch.int64,)),
}
OPERATIONS = tuple(_KERNELS)
_NOISE = frozenset(("uniform", "normal"))


class BackendUnavailable(InputError, RuntimeError):
    """The fused backend was asked for where no extension is."""


class _Block(threading.local):
    """The backend of the innermost `with backend(...)` of a thread; None outside of any."""

    name: str | None = None


_block = _Block()
_ENVIRONMENT = os.environ.get("GENBENCH_BACKEND") or None
_chosen: str | None = None


@contextmanager
def backend(name: str) -> Iterator[None]:
    """Runs the operations of a block by the "reference" or the "fused" backend; nests.

    A thread that the block starts keeps the process's own backend.
    Errors: InputError (ValueError) for another name; RuntimeError for "fused" without extension.
    """
    if name not in BACKENDS:
        raise InputError(f"backend must be reference or fused, got {name!r}")
    _require(name)
    outer, _block.name = _block.name, name
    try:
        yield
    finally:
        _block.name = outer


def active() -> str:
    """The backend in use here, "reference" or "fused".

    Errors: InputError for a wrong GENBENCH_BACKEND or GENBENCH_INSTRUCTION_SET, RuntimeError for
    "fused" without extension.
    """
    return _block.name or _chosen or _choose()


def _choose() -> str:
    """The process's own backend, decided once: every call of an operation asks."""
    global _chosen
    if _ENVIRONMENT is None:
        name = "reference" if load_error() else "fused"
    elif _ENVIRONMENT in BACKENDS:
        name = _ENVIRONMENT
    else:
        raise InputError(f"GENBENCH_BACKEND must be reference or fused, got {_ENVIRONMENT!r}")
    _require(name)
    _chosen = name
    return name


def fused_for(op: str, *tensors: Tensor | None) -> bool:
    """Whether a call of `op` on these tensors runs the kernel: it serves them all.

    torch.func transforms and forward-mode derivatives see the formulas of the other operations,
    which they can take apart; the noise inside those formulas still comes from its kernels.
    """
    if active() != "fused" or (op not in _NOISE and _transforms_active()):
        return False
    dtypes = _KERNELS[op]
    for tensor in tensors:  # noqa: SIM110 - all(...) takes three times as long
        if tensor is not None and not _served(tensor, dtypes):
            return False
    return True


def describe() -> list[dict[str, str | None]]:
    """{"op", "backend", "why", "remedy"} of each public operation; remedy None: nothing to mend."""
    return [{"op": op} | _explain(op) for op in OPERATIONS]


def _explain(op: str) -> dict[str, str | None]:
    if load_error() is not None:
        return {"backend": "reference", "why": load_error(), "remedy": extension.REMEDY}
    if active() == "fused":
        why = f"the extension is loaded, CPU kernels {extension.instruction_set()}"
        why += ", CUDA kernels built" if extension.cuda_built() else ", no CUDA kernels"
        return {"backend": "fused", "why": why, "remedy": None}
    if _block.name is not None:
        return {"backend": "reference", "why": "chosen for this block", "remedy": None}
    return {
        "backend": "reference",
        "why": "GENBENCH_BACKEND=reference",
        "remedy": "unset GENBENCH_BACKEND",
    }


def _transforms_active() -> bool:
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def _served(tensor: Tensor, dtypes: frozenset[torch.dtype]) -> bool:
    # is_cpu, not device.type: an eighth of the time
    here = tensor.is_cpu or (tensor.is_cuda and extension.cuda_built())
    return here and tensor.dtype in dtypes


def _require(name: str) -> None:
    if name != "fused":
        return
    if (why := load_error()) is not None:
        raise BackendUnavailable(f"no fused operations, {why}; build them: {extension.REMEDY}")
    if (wrong := extension.setting_error()) is not None:
        raise InputError(wrong)
