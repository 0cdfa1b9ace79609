"""What a model is: the small types that models, data, the training loop and studies share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter


class Examples(NamedTuple):
    """What data hand out: x (n, *data_shape), int64 labels (n,), a condition of n rows, or None."""

    x: Tensor
    labels: Tensor | None = None
    condition: Tensor | None = None

    @classmethod
    def of(cls, found: Tensor | Examples) -> Examples:
        """`found` itself, or the examples that a tensor alone is."""
        return found if isinstance(found, Examples) else cls(found)

    def tensors(self) -> list[Tensor]:
        """Those that are there."""
        return [tensor for tensor in self if tensor is not None]

    def to(self, device: torch.device | str) -> Examples:
        """The same on another device."""
        return self.filled([tensor.to(device) for tensor in self.tensors()])

    def filled(self, tensors: Sequence[Tensor]) -> Examples:
        """The same fields with other tensors, ordered as `tensors()` is."""
        x, *rest = tensors
        others = iter(rest)
        return Examples(x, *(None if held is None else next(others) for held in self[1:]))


@dataclass(frozen=True)
class Batch:
    """What a loss sees.

    x: (n, *data_shape), floating. seed: int64 (1,), drawn by the loop; it is all the randomness a
    loss may use, so that a loss compiles, vmaps, shards and resumes. labels: int64 (n,) or None.
    condition: any tensor with n rows, or None. done: the share of the run that is over, in [0, 1),
    for what is annealed; a number, or a 0-d tensor where a step is compiled. unrolled: the update
    is differentiated through, so the loss keeps its graph to the parameters of every phase.
    """

    x: Tensor
    seed: Tensor
    labels: Tensor | None = None
    condition: Tensor | None = None
    done: Tensor | float = 0.0
    unrolled: bool = False


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimiser by name, with its arguments; `schedule` scales the rate over the whole run.

    name: "adam", "adamw", "adagrad", "sgd" or "rmsprop". schedule: "constant", or "cosine" or
    "linear" to zero at the last step. warmup: steps over which the rate rises from zero.
    """

    name: str
    learning_rate: float
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str = "constant"
    warmup: int = 0


@runtime_checkable
class Model(Protocol):
    """A generative model as the training loop knows it: a torch module with five members more.

    A sixth may be there. lookahead: Mapping[str, tuple[str, int]], such as
    {"generator": ("critic", 5)}: a phase's loss is taken after so many further updates of another
    phase, which it is differentiated through and which are thrown away (Metz et al. 2017).
    """

    phases: tuple[str, ...]
    """One training step: ("model",), or ("critic",) * 5 + ("generator",)."""

    def phase_parameters(self, phase: str) -> Iterable[Parameter]:
        """The parameters that `phase` updates."""
        ...

    def optimizer(self, phase: str) -> OptimizerSpec:
        """The optimiser the paper used for `phase`; the user may override it."""
        ...

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """0-d tensors; "loss" is minimised, the rest is logged."""
        ...

    def after_update(self, phase: str) -> None:
        """What follows an update: clip weights, move a codebook or a replay pool."""
        ...

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape); the same generator state gives the same samples."""
        ...

    if TYPE_CHECKING:  # what its mathematics offers beyond: encode, decode, log_prob, ...

        def __getattr__(self, name: str) -> Any: ...

    # Every torch.nn.Module has these.
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...
    def train(self, mode: bool = True) -> Any: ...
    def eval(self) -> Any: ...
