"""What ends a run: a loss that is not finite."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class Diverged(RuntimeError):
    """A loss that is not finite; phase, term, step and tensor say which, where known."""

    def __init__(
        self,
        message: str,
        *,
        phase: str | None = None,
        term: str | None = None,
        step: int | None = None,
        tensor: str | None = None,
    ) -> None:
        super().__init__(message)
        self.phase, self.term, self.step, self.tensor = phase, term, step, tensor

    @classmethod
    def of(
        cls, phase: str, terms: Mapping[str, Tensor], step: int, tensor: str | None = None
    ) -> Diverged:
        """For the terms of a phase whose "loss" is not finite; tensor: the first that is not."""
        values = ", ".join(f"{name} = {term.item():g}" for name, term in terms.items())
        # the sum is not finite because a part is not
        parts = [name for name, term in terms.items() if not term.isfinite() and name != "loss"]
        return cls(
            f"{phase} loss is not finite at step {step}: {values}"
            + (f"; so is {tensor}" if tensor else ""),
            phase=phase,
            term=parts[0] if parts else "loss",
            step=step,
            tensor=tensor,
        )


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor with NaN or infinity in it."""
    bad = (name for name, tensor in tensors.items() if not tensor.isfinite().all())
    return next(bad, None)
