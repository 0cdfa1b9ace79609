"""Gradients of the operations: by kernel, or as a formula that can be differentiated again."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor

from genbench.ops import checks


def differentiated_again() -> bool:
    """Whether the backward pass that asks may be differentiated itself, which no kernel can be.

    torch.compile allows no second derivative, and traces with gradients enabled.
    """
    return torch.is_grad_enabled() and not torch.compiler.is_compiling()


def linear_gradients(
    need: Sequence[bool],
    grad: Tensor,
    kernel: Callable[..., list[Tensor]],
    formula: Callable[[Tensor], Sequence[Tensor]],
) -> list[Tensor | None]:
    """The gradients that `need` asks for of an operation linear in its tensors, else None.

    kernel(*need) computes those alone. formula(grad in the compute dtype) computes all of them by
    torch operations, which a second derivative goes through, and a batch of gradients at once.
    """
    # is_grads_batched: torch cannot take a kernel apart that returns a list, nor can torch.compile
    # trace the question.
    batched = not torch.compiler.is_compiling() and is_legacy_batchedtensor(grad)
    if batched or differentiated_again():
        every = formula(grad.to(checks.wide_dtype(grad.dtype)))
        return [g.to(grad.dtype) if n else None for g, n in zip(every, need, strict=True)]
    found = iter(kernel(*need))
    return [next(found) if n else None for n in need]


def needed_like(grad: Tensor, *others: object) -> list[Tensor]:
    """The fake of such a kernel, whose last arguments are the needs."""
    return [grad.new_empty(grad.shape) for need in others if need is True]
