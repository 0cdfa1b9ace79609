"""What every model keeps: shapes, gradients, repetition, backends, folders, odd batches, errors."""

import tempfile
from itertools import repeat
from typing import Any

import pytest
import torch

from genbench import create_model
from genbench.errors import InputError
from genbench.ops.backend import backend, load_error
from genbench.protocol import Batch, Examples, Model
from genbench.train.compiled import traceable
from genbench.train.loop import Trainer, global_seed

# Doors for data: what else they take after x (n, *data_shape).
DOORS = {
    "encode": "",
    "reconstruct": "",
    "log_prob": "",
    "elbo": "r",
    "denoise": "",
    "impute": "mr",
}
UNBOUNDED = ("denoise",)  # what is noisy lies beyond [-1, 1]


def check_invariants(
    name: str,
    x: torch.Tensor | Examples,
    *,
    traced: bool = True,
    tolerance: float = 1e-4,
    unused: tuple[str, ...] = (),
    **config: Any,
) -> None:
    """All of them for the model `name` on x (n, *data_shape), n >= 5, or examples with labels.

    traced: its step must become a graph. tolerance: of the backends' losses and gradients, relative
    to the largest: noise agrees to 5e-7, a network and its sums amplify that. unused: names of
    parameters that may have no gradient in a phase, such as an offset that cancels.
    """
    given = Examples.of(x)
    model = _made(name, given, config)
    assert isinstance(model, Model)
    _every_parameter_has_a_phase(model)
    _gradients_are_finite(model, given, unused)
    _a_seed_repeats(model, given)
    _small_batches_do(model, given)
    _backends_agree(model, given, tolerance)
    _training_goes_on(name, given, config)
    if traced:
        traceable(_made(name, given, config), given)
    model.eval()
    _samples_repeat(model, given)
    _shapes_are_right(model, given)
    _a_folder_keeps_it(model, given)
    _unfit_data_are_refused(model, given)


def _made(name: str, given: Examples, config: dict[str, Any]) -> Any:
    with global_seed(0):
        return create_model(name, data_shape=tuple(given.x.shape[1:]), **config)


def _terms(model: Any, given: Examples, phase: str, seed: int = 3) -> dict[str, torch.Tensor]:
    batch = Batch(seed=torch.tensor([seed]), done=0.25, **given._asdict())
    with global_seed(seed):
        return model.loss(batch, phase)


def _gradients(model: Any, loss: torch.Tensor, phase: str) -> dict[str, torch.Tensor | None]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    own = list(model.phase_parameters(phase))
    found = torch.autograd.grad(loss, own, allow_unused=True)
    return {names[id(p)]: g for p, g in zip(own, found, strict=True)}


def _rows(given: Examples, count: int) -> Examples:
    return given.filled([tensor[:count] for tensor in given.tensors()])


def _every_parameter_has_a_phase(model: Any) -> None:
    updated = {id(p) for phase in model.phases for p in model.phase_parameters(phase)}
    free = [n for n, p in model.named_parameters() if p.requires_grad and id(p) not in updated]
    assert not free, f"no phase updates {free}"


def _gradients_are_finite(model: Any, given: Examples, unused: tuple[str, ...]) -> None:
    for phase in dict.fromkeys(model.phases):
        terms = _terms(model, given, phase)
        assert "loss" in terms
        for term, value in terms.items():
            assert value.shape == () and value.isfinite(), f"{phase}/{term} is {value}"
        for name, gradient in _gradients(model, terms["loss"], phase).items():
            assert gradient is not None or name in unused, f"{name} has no gradient in {phase}"
            assert gradient is None or gradient.isfinite().all(), f"{name}: not finite in {phase}"


def _a_seed_repeats(model: Any, given: Examples) -> None:
    for phase in dict.fromkeys(model.phases):
        first, again = (_terms(model, given, phase) for _ in range(2))
        assert first.keys() == again.keys()
        assert all(torch.equal(first[term], again[term]) for term in first), phase


def _small_batches_do(model: Any, given: Examples) -> None:
    for count in (1, 3):
        for phase in dict.fromkeys(model.phases):
            assert _terms(model, _rows(given, count), phase)["loss"].isfinite(), (phase, count)


def _backends_agree(model: Any, given: Examples, tolerance: float) -> None:
    if load_error() is not None:
        return  # there is one backend alone
    for phase in dict.fromkeys(model.phases):
        found = []
        for name in ("fused", "reference"):
            with backend(name):
                loss = _terms(model, given, phase)["loss"]
                slopes = _gradients(model, loss, phase).values()
                found.append([loss.detach(), *(g for g in slopes if g is not None)])
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * a.abs().max().item())


class _Again:
    """The same batch without end."""

    def __init__(self, given: Examples) -> None:
        self._given = repeat(given)

    def __next__(self) -> Examples:
        return next(self._given)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert not state


def _training_goes_on(name: str, given: Examples, config: dict[str, Any]) -> None:
    """Three steps move parameters, and two runs of one seed are the same."""
    states = []
    for _ in range(2):
        model = _made(name, given, config)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        trainer = Trainer(model, _Again(given), steps=3, seed=1)
        for _ in range(3):
            trainer.step()
        states.append(model.state_dict())
        assert any(not torch.equal(states[-1][key], value) for key, value in before.items())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def _draw(model: Any, seed: int) -> torch.Tensor:
    return model.sample(5, torch.Generator().manual_seed(seed))


def _samples_repeat(model: Any, given: Examples) -> None:
    first, again, other = (_draw(model, seed) for seed in (0, 0, 1))
    assert first.shape == (5, *given.x.shape[1:])
    assert first.isfinite().all() and not first.requires_grad
    assert torch.equal(first, again) and not torch.equal(first, other)


def _call(model: Any, door: str, x: torch.Tensor) -> torch.Tensor:
    mask = torch.ones(x.shape, dtype=torch.bool)
    mask[..., 0] = False
    more = {"m": mask, "r": torch.Generator().manual_seed(0)}
    return getattr(model, door)(x, *(more[letter] for letter in DOORS[door]))


def _shapes_are_right(model: Any, given: Examples) -> None:
    x = given.x
    for door in DOORS:
        if not hasattr(model, door):
            continue
        found = _call(model, door, x)
        assert found.isfinite().all() and not found.requires_grad, door
        if door == "encode":
            assert found.ndim == 2 and len(found) == len(x)
            if hasattr(model, "decode"):
                assert model.decode(found).shape == x.shape
        else:
            assert found.shape == (x.shape[:1] if door in ("log_prob", "elbo") else x.shape), door


def _a_folder_keeps_it(model: Any, given: Examples) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        loaded = type(model).from_pretrained(folder)
    assert loaded.config == model.config
    assert torch.equal(_draw(model, 0), _draw(loaded, 0))


def _unfit_data_are_refused(model: Any, given: Examples) -> None:
    x = given.x
    for door in DOORS:
        if not hasattr(model, door):
            continue
        with pytest.raises(InputError, match=r"^x must be \(n, .*\), got \("):
            _call(model, door, torch.cat([x, x], dim=-1))
        with pytest.raises(InputError, match=r"^x must be a floating tensor, got int64"):
            _call(model, door, x.long())
        if x.ndim == 4 and door not in UNBOUNDED:
            with pytest.raises(InputError, match=r"^x must lie in \[-1, 1\], got values from"):
                _call(model, door, x * 127.5 + 127.5)
