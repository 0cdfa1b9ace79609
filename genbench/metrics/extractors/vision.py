"""torchvision and torch-fidelity, imported whether or not torchvision fits the torch beside it.

The torchvision of PyPI is built for a CUDA torch. Beside a CPU torch its library does not load,
and its import ends at `operator torchvision::nms does not exist`, for want of two schemas.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

from genbench.errors import InputError
from genbench.metrics.extractors.contract import one_line

REMEDY = "pip install -c constraints.txt 'genbench[fidelity]'"
_SYMPTOM = "operator torchvision::nms does not exist"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[torch.library.Library] = []  # torch forgets schemas with the object


def import_torchvision() -> ModuleType:
    """torchvision, without its own operators where its library does not load.

    Raises ImportError where it is not installed, and whatever else its import raises.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _SYMPTOM not in str(error):
            raise
    # Only now: where the library does load, it claims the namespace, and torch ends the process.
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + _SCHEMA)
    _libraries.append(library)
    return importlib.import_module("torchvision")


def import_fidelity() -> ModuleType:
    """torch-fidelity; raises InputError that says how to install it where it does not import."""
    try:
        import_torchvision()
        return importlib.import_module("torch_fidelity")
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"torch-fidelity cannot be imported ({one_line(error)}): {REMEDY}"
        ) from error
