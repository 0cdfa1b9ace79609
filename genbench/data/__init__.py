"""What feeds models and what is judged: known mixtures, seeded batches, files of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry

if TYPE_CHECKING:
    from genbench.data.mixtures import Mixture, mixture
    from genbench.data.samples import Samples, open_samples
    from genbench.data.streams import Stream

__all__ = ["CATALOG", "Mixture", "Samples", "Stream", "mixture", "open_samples"]

_MIXTURES = "genbench.data.mixtures:"

CATALOG = {
    "ring8": Entry(_MIXTURES + "ring", "8 Gaussians on a circle of radius 1, sigma .05"),
    "grid25": Entry(_MIXTURES + "grid", "5 x 5 Gaussians from -4 to 4 step 2, sigma .05"),
    "ring8-pacgan": Entry(
        _MIXTURES + "ring", "ring8 as PacGAN has it, sigma .01; Lin 2018", {"sigma": 0.01}
    ),
}


def __getattr__(name: str) -> Any:
    # Samplers import torch and readers NumPy; the catalog above must not.
    if name in ("Mixture", "mixture"):
        from genbench.data import mixtures

        return getattr(mixtures, name)
    if name == "Stream":
        from genbench.data.streams import Stream

        return Stream
    if name in ("Samples", "open_samples"):
        from genbench.data import samples

        return getattr(samples, name)
    raise AttributeError(f"module 'genbench.data' has no attribute {name!r}")
