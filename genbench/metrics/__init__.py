"""What judges samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry

if TYPE_CHECKING:
    from genbench.metrics.modes import ModeCoverage, mode_coverage, perfect_sampler
    from genbench.metrics.neighbours import PrecisionRecall, precision_recall

__all__ = [
    "CATALOG",
    "ModeCoverage",
    "PrecisionRecall",
    "mode_coverage",
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


def __getattr__(name: str) -> Any:
    # The formulas import torch; the catalog above must not.
    if name in ("ModeCoverage", "mode_coverage", "perfect_sampler"):
        from genbench.metrics import modes

        return getattr(modes, name)
    if name in ("PrecisionRecall", "precision_recall"):
        from genbench.metrics import neighbours

        return getattr(neighbours, name)
    raise AttributeError(f"module 'genbench.metrics' has no attribute {name!r}")
