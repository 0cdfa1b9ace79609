"""What turns pictures into feature vectors: the names for `--features`, readable without torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry, unknown_name
from genbench.errors import InputError

if TYPE_CHECKING:
    import torch

    from genbench.metrics.extractors.contract import Extracted, Extractor

__all__ = ["EXTRACTORS", "Extracted", "Extractor", "open_extractor"]

EXTRACTORS = {
    "inception": Entry(
        "genbench.metrics.extractors.inception:open_inception",
        "2,048 features and 1,008 class probabilities of Inception v3; weights of your own",
    ),
    "digits": Entry(
        "genbench.metrics.extractors.digits:open_digits",
        "64 features and 10 class probabilities of a small digit classifier that comes along",
    ),
    "raw": Entry(
        "genbench.metrics.extractors.raw:open_raw",
        "the pixels themselves, in [0, 1]",
    ),
}


def open_extractor(
    name: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    trust: bool = False,
    device: str | torch.device = "cpu",
) -> Extractor:
    """The extractor called `name`, its weights loaded onto `device` ("cpu" or "cuda").

    name: a key of EXTRACTORS, or the path of an extractor of your own. weights: a file or folder
    to take instead of the extractor's own. trust: run a file that can hold any code. Nothing is
    ever downloaded. Raises InputError for an unknown name, weights that are missing, damaged or
    of another kind, and a device that is not there.
    """
    entry = EXTRACTORS.get(str(name))
    if entry is not None:
        return entry.load()(weights=weights, device=device)
    path = Path(name)
    if not (str(name) and path.exists()):  # Path("") is the current folder
        if path.suffix or len(path.parts) > 1:
            raise InputError(f"features: there is no file or folder '{path}'")
        raise unknown_name("features", name, [*EXTRACTORS, "or the path of a file or folder"])
    from genbench.metrics.extractors.program import open_file

    if weights is not None:
        raise InputError(f"weights: '{path}' holds its own, got '{os.fspath(weights)}'")
    return open_file(path, trust=trust, device=device)


def __getattr__(name: str) -> Any:
    # The contract imports torch; the names above must not.
    if name in ("Extracted", "Extractor"):
        from genbench.metrics.extractors import contract

        return getattr(contract, name)
    raise AttributeError(f"module 'genbench.metrics.extractors' has no attribute {name!r}")
