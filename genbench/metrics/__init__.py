"""What judges samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry

if TYPE_CHECKING:
    from genbench.metrics.modes import ModeCoverage, mode_coverage, perfect_sampler

__all__ = ["CATALOG", "ModeCoverage", "mode_coverage", "perfect_sampler"]

CATALOG = {
    "mode_coverage": Entry(
        "genbench.metrics.modes:mode_coverage",
        "modes, modes held, high-quality share and both KLs against a known mixture",
    ),
}


def __getattr__(name: str) -> Any:
    # The formulas import torch; the catalog above must not.
    if name in ("ModeCoverage", "mode_coverage", "perfect_sampler"):
        from genbench.metrics import modes

        return getattr(modes, name)
    raise AttributeError(f"module 'genbench.metrics' has no attribute {name!r}")
