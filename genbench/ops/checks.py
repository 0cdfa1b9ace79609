"""Argument checks that the operations share: metadata only, so that nothing waits for a device."""

import math

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
Coefficient = int | float | Tensor


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """What an operation computes in: float32 for the half dtypes, else the dtype itself."""
    return torch.promote_types(dtype, torch.float32)


def needs_graph(*tensors: Tensor | None) -> bool:
    """Whether autograd records a call on these tensors."""
    if torch.is_grad_enabled():
        for tensor in tensors:
            if tensor is not None and tensor.requires_grad:
                return True
    return False


def check_float(name: str, tensor: Tensor) -> None:
    """Refuses what is no tensor, what is sparse, and other dtypes than the four floating ones."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
    if tensor.dtype not in FLOATS:
        raise TypeError(f"{name} must be float16, bfloat16, float32 or float64, got {tensor.dtype}")
    if tensor.layout is not torch.strided:
        raise TypeError(f"{name} must be a strided tensor, got {tensor.layout}")


def check_batch(name: str, tensor: Tensor) -> None:
    """A floating tensor whose first dimension counts samples."""
    check_float(name, tensor)
    if tensor.ndim == 0:
        raise ValueError(f"{name} must have a batch dimension, got a 0-d tensor")


def check_not_empty(name: str, tensor: Tensor) -> None:
    """Refuses a mean of nothing."""
    if tensor.numel() == 0:
        raise ValueError(f"{name} must not be empty (a mean of nothing), got {_shape(tensor)}")


def check_device(name: str, tensor: Tensor, like_name: str, like: Tensor) -> None:
    if tensor.device != like.device:
        raise ValueError(f"{name} must be on {like.device}, as {like_name} is, got {tensor.device}")


def check_like(name: str, tensor: Tensor, like_name: str, like: Tensor) -> None:
    """A floating tensor of the shape and device of `like`; the dtypes may differ."""
    check_float(name, tensor)
    if tensor.shape != like.shape:
        raise ValueError(
            f"{name} must have the shape of {like_name} {_shape(like)}, got {_shape(tensor)}"
        )
    check_device(name, tensor, like_name, like)


def check_number(name: str, value: float, low: float, high: float = math.inf, ends: str = "[]"):
    """A number between `low` and `high`; `ends` says which of the two belong: "[]", "(]", "[)"."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    above = value >= low if ends[0] == "[" else value > low
    below = value <= high if ends[1] == "]" else value < high
    if not (above and below):  # a NaN fails both
        raise ValueError(f"{name} must be in {ends[0]}{low}, {high}{ends[1]}, got {value}")


def check_flag(name: str, value: bool) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")


def check_coefficient(
    name: str, value: Coefficient, x: Tensor, low: float, high: float, ends: str = "[]"
) -> None:
    """A number in the range, or a floating tensor (), (B,) whose contents are not read."""
    if type(value) is float and low < value < high:
        return  # the common case, in a fifth of the time
    if not isinstance(value, Tensor):
        check_number(name, value, low, high, ends)
        return
    check_float(name, value)
    if value.ndim > 1 or (value.ndim == 1 and value.shape[0] != x.shape[0]):
        raise ValueError(f"{name} must have shape () or ({len(x)},), got {_shape(value)}")
    if value.device != x.device and (value.ndim or value.device.type != "cpu"):
        raise ValueError(f"{name} must be on {x.device}, as the data is, got {value.device}")


def split(value: Coefficient | None) -> tuple[Tensor | None, float]:
    """A coefficient as the two arguments that a raw operation takes it in; None: neither counts."""
    if type(value) is float:
        return None, value
    if value is None or isinstance(value, Tensor):
        return value, 0.0
    return None, float(value)


def exact(value: Coefficient, wide: torch.dtype) -> Coefficient:
    """A coefficient in the wider of `wide` and its own dtype (a number is a double).

    Formulas of coefficients are evaluated so, and rounded by `spread` afterwards: 1 - alpha_bar
    cancels near 1 (6e-4 off in float32 at alpha_bar .9999).
    """
    if not isinstance(value, Tensor):
        return value
    return value.to(torch.promote_types(wide, value.dtype))


def spread(value: Coefficient, x: Tensor, wide: torch.dtype) -> Coefficient:
    """A coefficient ready to multiply x (B, ...) in `wide`: a tensor (B,) becomes (B, 1, ...)."""
    if not isinstance(value, Tensor):
        return value
    return value.to(wide).reshape(-1, *[1] * (x.ndim - 1)) if value.ndim else value.to(wide)


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
