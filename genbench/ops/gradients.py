"""Gradients of the operations that are linear in their tensors: by kernel, or as a formula."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor

from genbench.ops import checks


def linear_gradients(
    need: Sequence[bool],
    grad: Tensor,
    kernel: Callable[..., list[Tensor]],
    formula: Callable[[Tensor], Sequence[Tensor]],
) -> list[Tensor | None]:
    """The gradients that `need` asks for, None for the others.

    kernel(*need) computes those alone. formula(grad in the compute dtype) computes all of them by
    torch operations, which a second derivative goes through, and a batch of gradients at once.
    """
    if _by_formula(grad):
        every = formula(grad.to(checks.wide_dtype(grad.dtype)))
        return [g.to(grad.dtype) if n else None for g, n in zip(every, need, strict=True)]
    found = iter(kernel(*need))
    return [next(found) if n else None for n in need]


def _by_formula(grad: Tensor) -> bool:
    if torch.compiler.is_compiling():  # allows no second derivative, traces with gradients enabled
        return False
    # is_grads_batched: torch cannot take a kernel apart that returns a list.
    return torch.is_grad_enabled() or is_legacy_batchedtensor(grad)


def needed_like(grad: Tensor, *others: object) -> list[Tensor]:
    """The fake of such a kernel, whose last arguments are the needs."""
    return [grad.new_empty(grad.shape) for need in others if need is True]
