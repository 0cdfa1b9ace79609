"""What judges samples."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry

if TYPE_CHECKING:
    from genbench.metrics.modes import (
        ModeCoverage,
        mode_coverage,
        mode_coverage_estimate,
        perfect_sampler,
    )
    from genbench.metrics.neighbours import PrecisionRecall, precision_recall

__all__ = [
    "CATALOG",
    "ModeCoverage",
    "PrecisionRecall",
    "mode_coverage",
    "mode_coverage_estimate",
    "perfect_sampler",
    "precision_recall",
]

CATALOG = {
    "mode_coverage": Entry(
        "genbench.metrics.modes:mode_coverage",
        "modes, modes held, high-quality share and both KLs against a known mixture",
    ),
    "precision_recall": Entry(
        "genbench.metrics.neighbours:precision_recall",
        "precision, recall, density and coverage by k nearest neighbours",
    ),
}


# The formulas import torch; the catalog above must not.
_MODULES = {
    "ModeCoverage": "modes",
    "mode_coverage": "modes",
    "mode_coverage_estimate": "modes",
    "perfect_sampler": "modes",
    "PrecisionRecall": "neighbours",
    "precision_recall": "neighbours",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'genbench.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genbench.metrics.{_MODULES[name]}"), name)
