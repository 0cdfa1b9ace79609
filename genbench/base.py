"""What most models share: a checked Config, one phase with one optimiser, and folders to keep."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from genbench.config import make_config
from genbench.errors import InputError
from genbench.folder import load_folder, save_folder
from genbench.protocol import OptimizerSpec

_ROUNDING = 1e-5  # of float32 levels as numbers in [-1, 1]


def check_x(
    x: Any, data_shape: Sequence[int], *, name: str = "x", within: bool | None = None
) -> None:
    """Raises InputError unless x, called `name`, is a floating tensor (n, *data_shape).

    within: whether values must lie in [-1, 1] too; None: those of pictures (C, H, W). It waits for
    the device and cannot be traced, so that a loss says False.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        came = str(x.dtype).removeprefix("torch.") if isinstance(x, Tensor) else type(x).__name__
        raise InputError(f"{name} must be a floating tensor, got {came}")
    if tuple(x.shape[1:]) != tuple(data_shape) or x.ndim == 0:
        wanted = ", ".join(map(str, ("n", *data_shape)))
        raise InputError(f"{name} must be ({wanted}), got {tuple(x.shape)}")
    within = len(data_shape) == 3 if within is None else within
    if within and x.numel():
        low, high = x.min().item(), x.max().item()
        if not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):  # false for NaN
            raise InputError(f"{name} must lie in [-1, 1], got values from {low:g} to {high:g}")


def check_mask(mask: Any, x: Tensor) -> None:
    """Raises InputError unless mask is bool and shaped as x."""
    shape = tuple(mask.shape) if isinstance(mask, Tensor) else ()
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or shape != tuple(x.shape):
        kind = str(mask.dtype).removeprefix("torch.") if isinstance(mask, Tensor) else "no tensor"
        raise InputError(f"mask must be bool {tuple(x.shape)}, got {kind} {shape}")


class BaseModel(nn.Module):
    """A model of one phase; one of several overrides `phases`, `phase_parameters`, `optimizer`.

    A subclass names itself as the catalog does, and has a Config: a frozen dataclass with at least
    data_shape, learning_rate, betas and schedule, whose __post_init__ calls `config.check`.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Any]]
    phases: tuple[str, ...] = ("model",)
    rebuildable: bool = True  # from its Config alone: no network of the user's own

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def build(cls, **options: Any) -> Self:
        """A new model from fields of its Config; raises InputError for a wrong name or value."""
        return cls(make_config(cls.Config, options, name=cls.name))

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """All parameters."""
        return self.parameters()

    def optimizer(self, phase: str) -> OptimizerSpec:
        """Adam with the Config's rate, betas and schedule."""
        c = self.config
        return OptimizerSpec("adam", c.learning_rate, {"betas": c.betas}, schedule=c.schedule)

    def after_update(self, phase: str) -> None:
        """Nothing follows an update."""

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json and model.safetensors; nothing in them is ever executed.

        Raises InputError for a model that its Config alone does not describe.
        """
        config = {"model": self.name, **dataclasses.asdict(self.config)}
        own = [name for name, value in config.items() if callable(value)]
        if own or not self.rebuildable:
            what = f"the function '{own[0]}'" if own else "networks of its own"
            raise InputError(f"model: {what} cannot be written to '{folder}'; save its state_dict")
        save_folder(Path(folder), config, self.state_dict())

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """The model of such a folder, in evaluation mode; raises InputError where it holds none."""
        config, tensors = load_folder(Path(folder), argument="folder")
        found, _ = config.pop("model", None), config.pop("sha256")
        if found != cls.name:
            raise InputError(f"folder: '{folder}' holds the model {found!r}, not '{cls.name}'")
        model = cls.build(**config)
        try:
            model.load_state_dict(tensors)
        except RuntimeError as error:
            why = " ".join(str(error).split())
            raise InputError(f"folder: '{folder}' does not fit its config.json: {why}") from error
        return model.eval()
