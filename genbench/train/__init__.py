"""Training: the loop, its checkpoints, and how both start from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genbench.train.loop import Diverged, Trainer

__all__ = ["Diverged", "Trainer"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from genbench.train import loop

        return getattr(loop, name)
    raise AttributeError(f"module 'genbench.train' has no attribute {name!r}")
