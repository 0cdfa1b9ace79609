"""Which objective drops modes: every loss on every data set over several seeds, scored alike."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from genbench import files
from genbench.catalog import unknown_name
from genbench.errors import InputError
from genbench.losses import AdversarialLoss, create_loss
from genbench.ops.backend import active
from genbench.report.progress import Progress
from genbench.studies.cells import Cell, code_version, open_study
from genbench.studies.driver import Driver
from genbench.studies.pages import write_report
from genbench.studies.parts import Function, check_networks, identity, name_losses, reference
from genbench.studies.protocols import PROTOCOLS, Protocol
from genbench.studies.rows import write_rows
from genbench.studies.tasks import Task, make_tasks, save_task

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class StudyResult:
    """rows: one dict a cell, as in rows.jsonl; table: the report as text; out: the folder."""

    rows: list[dict[str, Any]]
    table: str
    out: Path


def mode_collapse(
    *,
    data: Any = None,
    losses: Any = None,
    generator: Function | None = None,
    critic: Function | None = None,
    seeds: int = 6,
    steps: int | None = None,
    out: str | Path = "runs/mode-collapse",
    protocol: str = "quick",
    config: Mapping[str, Any] | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    workers: int | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Train every loss on every data set with every seed and report which modes each one holds.

    Args:
        data: names, `genbench.data.Mixture`s or arrays (N, ...), one, several or a dict of them;
            an array without known modes is judged by k-means bins and nearest neighbours.
        losses: names ("relativistic+r1+r2") or callables `loss(critic, *, real, fake, phase, seed)`
            -> 0-d tensor or dict that holds "loss", one, several or a dict of named ones; phase is
            "critic" or "generator", seed an int64 (1,) tensor for `genbench.ops`.
        generator, critic: functions of no arguments that return a new network, (n, latent_dim) ->
            (n, ...) and (n, ...) -> logits; None: the protocol's MLPs.
        seeds: how many; seed s has the same initial weights and data order for every loss.
        steps: generator updates; None: the protocol's.
        out: the study's folder; finished cells in it are kept, interrupted ones go on.
        protocol: a name in `genbench.studies.protocols.PROTOCOLS`; has data and losses if none are
            given.
        config: fields of the model's Config that replace the protocol's.
        device, dtype: where to train, "cpu" or "cuda", and in "float32" or "float64".
        workers: processes of one thread each; None: one a core.
        progress: told how the study goes; None: silence.

    Returns a StudyResult. Raises InputError for bad input, KeyboardInterrupt on Ctrl-C after every
    running cell has saved a checkpoint, CellFailed for a cell that cannot run.
    """
    _check_counts(seeds=seeds, steps=steps, workers=workers)
    device = _check_place(device, dtype)
    chosen = _look_up(protocol)
    tasks = make_tasks(chosen.data if data is None else data)
    named = name_losses(chosen.losses if losses is None else losses)
    networks = {"generator": generator, "critic": critic}
    common = _common(chosen, steps, config or {}, device, dtype)
    _check_batches(named, chosen)
    for task in tasks:
        for loss in named.values():
            check_networks(task.data_shape, {**common["config"], "loss": loss}, networks)
    out = Path(out).absolute()
    open_study(out)
    with files.claim(out / "lock") as held:
        if not held:
            raise InputError(f"out: '{out}' is in use by another study; choose another --out")
        cells, functions = _make_cells(tasks, named, networks, common, seeds, out)
        files.remove_leftovers(out)
        driver = Driver(out, cells, progress or Progress(), functions)
        driver.run(workers or _cores())
        rows = write_rows(out)
        return StudyResult(rows, write_report(out, rows), out)


def _look_up(protocol: Any) -> Protocol:
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    return PROTOCOLS[protocol]


def _common(
    protocol: Protocol, steps: int | None, config: Mapping[str, Any], device: str, dtype: str
) -> dict[str, Any]:
    """What all cells of one call share of their specifications."""
    return {
        "study": "mode-collapse",
        "model": "gan",
        "protocol": protocol.name,
        "steps": protocol.steps if steps is None else int(steps),
        "samples": protocol.samples,
        "batch_size": protocol.batch_size,
        "batch_of_packs": protocol.batch_of_packs,
        "evaluations": protocol.evaluations,
        "points": protocol.points,
        "standardise": protocol.standardise,
        "config": {**protocol.model, **_own_constants(config)},
        "device": device,
        "dtype": dtype,
        "backend": active(),
        "code": code_version(active()),
        "torch": torch.__version__,
    }


def _own_constants(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The user's constants; what the study sets itself is refused."""
    for name in ("loss", "data_shape", "generator", "critic"):
        if name in config:
            raise InputError(f"config: '{name}' is the study's own; give it as data, losses, ...")
    return config


def _make_cells(
    tasks: list[Task],
    losses: Mapping[str, str | Function],
    networks: Mapping[str, Function | None],
    common: dict[str, Any],
    seeds: int,
    out: Path,
) -> tuple[list[Cell], dict[str, dict[str, Function]]]:
    """Cells, seed by seed so that every column fills evenly; and functions by cell key."""
    cells, functions = [], {}
    for seed in range(seeds):
        for task in tasks:
            path = save_task(task, out / "data")
            for name, loss in losses.items():
                own = {k: f for k, f in {**networks, "loss": loss}.items() if callable(f)}
                spec = {
                    **common,
                    "data": task.name,
                    "data_digest": task.digest,
                    "samples": max(common["samples"], task.least_samples),
                    "loss": name,
                    "objective": loss if isinstance(loss, str) else None,
                    "batch_size": common["batch_size"] * _packs(common, loss),
                    "seed": seed,
                    "identity": {part: identity(part, function) for part, function in own.items()},
                }
                found = {part: reference(function) for part, function in own.items()}
                parts = {part: target for part, target in found.items() if target is not None}
                cell = Cell(spec, {"task": str(path), **parts})
                cells.append(cell)
                if len(parts) < len(own):
                    functions[cell.key] = own
    return cells, functions


def _check_batches(losses: Mapping[str, str | Function], protocol: Protocol) -> None:
    """Refuse packs that do not fill the protocol's batch before anything runs."""
    for name, loss in losses.items():
        size, packing = protocol.batch_size, _packing(loss)
        if size % packing and not protocol.batch_of_packs:
            raise InputError(
                f"losses: '{name}' packs {packing} points, which must divide the batch of "
                f"{size} that protocol '{protocol.name}' has"
            )


def _packs(common: dict[str, Any], loss: str | Function) -> int:
    """Points in one row of the critic, where the protocol's batch counts rows; else 1."""
    return _packing(loss) if common["batch_of_packs"] else 1


def _packing(loss: str | Function) -> int:
    made = create_loss(loss) if isinstance(loss, str) else loss
    return made.remedies.packing if isinstance(made, AdversarialLoss) else 1


def _cores() -> int:
    """Those this process may use, which a container or a batch system may have cut."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_counts(**counts: Any) -> None:
    for name, value in counts.items():
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if value is not None and not (whole and int(value) > 0):
            raise InputError(f"{name}: must be a whole number of at least 1, got {value!r}")


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
