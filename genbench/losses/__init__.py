"""Adversarial objectives and penalties by name; names combine: "relativistic+r1+r2"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry

if TYPE_CHECKING:
    from genbench.losses.adversarial import AdversarialLoss, create_loss

__all__ = ["CATALOG", "PENALTIES", "AdversarialLoss", "create_loss"]

_OBJECTIVES = "genbench.losses.objectives:"

CATALOG = {
    "non_saturating": Entry(
        _OBJECTIVES + "NON_SATURATING", "cross-entropy, -log D(G(z)); Goodfellow 2014"
    ),
    "least_squares": Entry(
        _OBJECTIVES + "LEAST_SQUARES", "squared distance to targets 0 and 1; Mao 2017"
    ),
    "wasserstein_gp": Entry(
        _OBJECTIVES + "WASSERSTEIN",
        "Wasserstein critic with gradient penalty; Gulrajani 2017",
        {"penalties": ("gp",)},
    ),
    "relativistic": Entry(
        _OBJECTIVES + "RELATIVISTIC", "paired logit differences; Jolicoeur-Martineau 2018"
    ),
}

PENALTIES = {
    "r1": Entry("genbench.losses.penalties:r1", "zero-centred, at real points; Mescheder 2018"),
    "r2": Entry(
        "genbench.losses.penalties:r2", "zero-centred, at generated points; Mescheder 2018"
    ),
    "gp": Entry("genbench.losses.penalties:gp", "one-centred, between both; Gulrajani 2017"),
}


def __getattr__(name: str) -> Any:
    # The formulas import torch; the catalog above must not.
    if name in ("AdversarialLoss", "create_loss"):
        from genbench.losses import adversarial

        return getattr(adversarial, name)
    raise AttributeError(f"module 'genbench.losses' has no attribute {name!r}")
