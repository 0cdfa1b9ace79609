"""Adversarial losses by name: an objective and parts, joined by "+": "hinge+r1=10+packing4"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry
from genbench.losses.parts import PARTS

if TYPE_CHECKING:
    from genbench.losses.adversarial import AdversarialLoss, create_loss

__all__ = ["CATALOG", "PARTS", "AdversarialLoss", "create_loss"]

_OBJECTIVES = "genbench.losses.objectives:"

# Presets: `labels`, there are targets that parts may change; `clip`, the bound c on every weight;
# `part`, one that belongs to the objective and takes its strength.
CATALOG = {
    "minimax": Entry(
        _OBJECTIVES + "MINIMAX",
        "cross-entropy, generator minimises log(1 - D(G(z))); Goodfellow 2014",
        {"labels": True},
    ),
    "non_saturating": Entry(
        _OBJECTIVES + "NON_SATURATING",
        "cross-entropy, -log D(G(z)); Goodfellow 2014",
        {"labels": True},
    ),
    "least_squares": Entry(
        _OBJECTIVES + "LEAST_SQUARES",
        "squared distance to targets 0 and 1; Mao 2017",
        {"labels": True},
    ),
    "wasserstein": Entry(
        _OBJECTIVES + "WASSERSTEIN",
        "Wasserstein critic with weights clipped to +-.01 (=.05: to +-.05); Arjovsky 2017",
        {"clip": 0.01},
    ),
    "wasserstein_gp": Entry(
        _OBJECTIVES + "WASSERSTEIN",
        "Wasserstein critic with gradient penalty; Gulrajani 2017",
        {"part": "gp"},
    ),
    "hinge": Entry(_OBJECTIVES + "HINGE", "margins at +-1; Lim and Ye 2017, Miyato 2018"),
    "relativistic": Entry(
        _OBJECTIVES + "RELATIVISTIC", "paired logit differences; Jolicoeur-Martineau 2018"
    ),
}


def __getattr__(name: str) -> Any:
    # The formulas import torch; the catalogs above must not.
    if name in ("AdversarialLoss", "create_loss"):
        from genbench.losses import adversarial

        return getattr(adversarial, name)
    raise AttributeError(f"module 'genbench.losses' has no attribute {name!r}")
