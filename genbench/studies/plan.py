"""From the arguments of a study to its cells: what they share, what each adds, what is refused."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from genbench.catalog import unknown_name
from genbench.errors import InputError
from genbench.losses import AdversarialLoss, create_loss
from genbench.ops.backend import active
from genbench.studies.cells import Cell, code_version
from genbench.studies.parts import Function, check_networks, identity, reference
from genbench.studies.protocols import PROTOCOLS, Protocol
from genbench.studies.tasks import Task, save_task
from genbench.train.graphs import compiler_found

DTYPES = ("float32", "float64")
COMPILED_FROM = 2_000  # steps: below, compiling takes longer than it saves
CHOICES = ("auto", "on", "off")
# Lanes of the ensembles that cells share, by type of device: as many however few seeds there are,
# since a lane's bits depend on it.
STACKED = {"cuda": 16}


class Plan:
    """What all cells of one call share. Raises InputError for constants and places it refuses."""

    def __init__(
        self,
        protocol: Protocol,
        *,
        steps: int | None,
        batch: int | None,
        config: Mapping[str, Any],
        device: Any,
        dtype: str,
        compile: str,
    ) -> None:
        self.protocol = protocol
        self.common = {
            "study": "mode-collapse",
            "model": "gan",
            "protocol": protocol.name,
            "steps": protocol.steps if steps is None else int(steps),
            "samples": protocol.samples,
            "batch_size": protocol.batch_size if batch is None else int(batch),
            "batch_of_packs": protocol.batch_of_packs,
            "evaluations": protocol.evaluations,
            "points": protocol.points,
            "standardise": protocol.standardise,
            "config": {**protocol.model, **_own_constants(config)},
            "device": _check_place(device, dtype),
            "dtype": dtype,
            "backend": active(),
            "code": code_version(active()),
            "torch": torch.__version__,
        }
        self._compile = _check_compile(compile)

    def check(
        self,
        tasks: Sequence[Task],
        losses: Mapping[str, str | Function],
        networks: Mapping[str, Function | None],
    ) -> None:
        """Refuses networks, constants and packs that do not fit, before anything is written."""
        for name, loss in losses.items():
            size, packing = self.common["batch_size"], _packing(loss)
            if size % packing and not self.protocol.batch_of_packs:
                raise InputError(
                    f"losses: '{name}' packs {packing} points, which must divide the batch of "
                    f"{size} points"
                )
        for task in tasks:
            for loss in losses.values():
                config = {**self.common["config"], "loss": loss}
                check_networks(task.data_shape, config, networks)

    def cells(
        self,
        tasks: Sequence[Task],
        losses: Mapping[str, str | Function],
        networks: Mapping[str, Function | None],
        *,
        seeds: int,
        out: Path,
    ) -> tuple[list[Cell], dict[str, dict[str, Function]]]:
        """Cells, seed by seed so that every column fills evenly; and functions by cell key.

        The functions are those that no other process can import.
        """
        cells, functions = [], {}
        saved = [(task, save_task(task, out / "data")) for task in tasks]
        for seed in range(seeds):
            for task, path in saved:
                for name, loss in losses.items():
                    own = {k: f for k, f in {**networks, "loss": loss}.items() if callable(f)}
                    spec = self._specification(task, name, loss, own) | {"seed": seed}
                    found = {part: reference(function) for part, function in own.items()}
                    parts = {part: target for part, target in found.items() if target is not None}
                    cell = Cell(spec, {"task": str(path), **parts})
                    cells.append(cell)
                    if len(parts) < len(own):
                        functions[cell.key] = own
        return cells, functions

    def _specification(
        self, task: Task, name: str, loss: str | Function, own: Mapping[str, Function]
    ) -> dict[str, Any]:
        place = torch.device(self.common["device"]).type
        packs = _packing(loss) if self.protocol.batch_of_packs else 1
        return {
            **self.common,
            "data": task.name,
            "data_digest": task.digest,
            "samples": max(self.protocol.samples, task.least_samples),
            "loss": name,
            "objective": loss if isinstance(loss, str) else None,
            "packs": packs,
            "compiled": self._compiles(own),
            "identity": {part: identity(part, function) for part, function in own.items()},
            **({"stacked": STACKED[place]} if place in STACKED else {}),
        }

    def _compiles(self, own: Mapping[str, Function]) -> bool:
        """Whether a cell with these functions of the user's is compiled."""
        if self._compile != "auto":
            return self._compile == "on"
        pays = self.common["steps"] >= COMPILED_FROM and self.common["device"] == "cpu"
        return pays and not own and compiler_found()


def look_up_protocol(protocol: Any) -> Protocol:
    """The protocol of that name; raises InputError for an unknown one."""
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    return PROTOCOLS[protocol]


def check_counts(**counts: Any) -> None:
    """Raises InputError unless each is None or a whole number of at least 1."""
    for name, value in counts.items():
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if value is not None and not (whole and int(value) > 0):
            raise InputError(f"{name}: must be a whole number of at least 1, got {value!r}")


def _own_constants(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The user's constants; what the study sets itself is refused."""
    for name in ("loss", "data_shape"):
        if name in config:
            raise InputError(f"config: '{name}' is the study's own; give it as data, losses, ...")
    for name in ("generator", "critic"):
        if callable(config.get(name)):
            raise InputError(f"config: '{name}' must be a name; give a function as {name}=...")
    return config


def _packing(loss: str | Function) -> int:
    """Points in one row of the critic."""
    made = create_loss(loss) if isinstance(loss, str) else loss
    return made.remedies.packing if isinstance(made, AdversarialLoss) else 1


def _check_compile(choice: Any) -> str:
    if choice not in CHOICES:
        raise unknown_name("compile", choice, CHOICES)
    if choice == "on" and not compiler_found():
        raise InputError(
            "compile: 'on' needs a C++ compiler, g++ or $CXX, and Python.h, and finds none; "
            "use --compile off"
        )
    return choice


def _check_place(device: Any, dtype: str) -> str:
    """The device's name, checked."""
    if dtype not in DTYPES:
        raise unknown_name("dtype", dtype, DTYPES)
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise unknown_name("device", device, ("cpu", "cuda")) from error
    if found.type not in ("cpu", "cuda"):
        raise unknown_name("device", device, ("cpu", "cuda"))
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device: '{device}' was asked for, but torch {torch.__version__} finds no CUDA; "
            "use --device cpu"
        )
    return str(found)
