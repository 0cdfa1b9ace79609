"""Deep generative models, fused training operations, and the benchmarks that judge them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genbench import data, losses, metrics, models, ops, studies, train
    from genbench.models import CATALOG, create_model, from_pretrained

__version__ = "0.1.0"

__all__ = [
    "CATALOG",
    "create_model",
    "data",
    "from_pretrained",
    "losses",
    "metrics",
    "models",
    "ops",
    "studies",
    "train",
]


def __getattr__(name: str) -> Any:
    # Resolved on first use: `genbench --version` and the list commands must not pay for torch.
    if name not in __all__:
        raise AttributeError(f"module 'genbench' has no attribute {name!r}")
    if name in ("CATALOG", "create_model", "from_pretrained"):
        return getattr(importlib.import_module("genbench.models"), name)
    return importlib.import_module(f"genbench.{name}")
