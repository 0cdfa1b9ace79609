"""Which objective drops modes: every loss on every data set over several seeds, scored alike."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genbench import files
from genbench.errors import InputError
from genbench.report.progress import Progress
from genbench.studies.cells import open_study
from genbench.studies.driver import Driver
from genbench.studies.pages import write_report
from genbench.studies.parts import Function, name_losses
from genbench.studies.plan import Plan, check_counts, look_up_protocol
from genbench.studies.rows import write_rows
from genbench.studies.tasks import make_tasks


@dataclass(frozen=True)
class StudyResult:
    """rows: one dict a cell, as in rows.jsonl; table: the report as text; out: the folder."""

    rows: list[dict[str, Any]]
    table: str
    out: Path


def mode_collapse(
    *,
    data: Any = None,
    modes: Any = None,
    losses: Any = None,
    generator: Function | None = None,
    critic: Function | None = None,
    seeds: int = 6,
    steps: int | None = None,
    batch: int | None = None,
    out: str | Path = "runs/mode-collapse",
    protocol: str = "quick",
    config: Mapping[str, Any] | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    compile: str = "auto",
    workers: int | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Train every loss on every data set with every seed and report which modes each one holds.

    Args:
        data: names, `genbench.data.Mixture`s, arrays (N, ...) or files of them, one, several or a
            dict; without known modes they are judged by k-means bins and neighbours.
        modes: of the arrays and files: a Mixture, its name or an .npz with means (K, d) and sigma.
        losses: names ("relativistic+r1+r2") or callables `loss(critic, *, real, fake, phase, seed)`
            -> 0-d tensor or dict that holds "loss", one, several or a dict of named ones; phase is
            "critic" or "generator", seed an int64 (1,) tensor for `genbench.ops`.
        generator, critic: functions of no arguments that return a new network, (n, latent_dim) ->
            (n, ...) and (n, ...) -> logits; None: the protocol's MLPs.
        seeds: how many; seed s has the same initial weights and data order for every loss.
        steps: generator updates; None: the protocol's.
        batch: points in a batch, or packs of them where the protocol counts so; None: its own.
        out: the study's folder; finished cells in it are kept, interrupted ones go on.
        protocol: a name in `genbench.studies.protocols.PROTOCOLS`, which has data and losses too.
        config: fields of the model's Config that replace the protocol's.
        device, dtype: where to train, "cpu" or "cuda", and in "float32" or "float64". On "cuda" the
            seeds of a loss share one step, 16 at most, and several losses train side by side.
        compile: "on": a training step is one compiled graph, eager's numbers up to rounding; "off";
            "auto": on from 2,000 steps on the CPU, for named parts, if there is a C++ compiler.
        workers: processes of one thread each; for "cuda" they score; None: one a core.
        progress: told how the study goes; None: silence.

    Returns a StudyResult. Raises InputError for bad input, KeyboardInterrupt on Ctrl-C after every
    running cell has saved a checkpoint, CellFailed for a cell that cannot run.
    """
    check_counts(seeds=seeds, steps=steps, batch=batch, workers=workers)
    chosen = look_up_protocol(protocol)
    place = {"device": device, "dtype": dtype, "compile": compile}
    plan = Plan(chosen, steps=steps, batch=batch, config=config or {}, **place)
    tasks = make_tasks(chosen.data if data is None else data, modes=modes)
    named = name_losses(chosen.losses if losses is None else losses)
    networks = {"generator": generator, "critic": critic}
    plan.check(tasks, named, networks)
    with _claimed(Path(out).absolute()) as folder:
        cells, functions = plan.cells(tasks, named, networks, seeds=seeds, out=folder)
        Driver(folder, cells, progress or Progress(), functions).run(workers or _cores())
        rows = write_rows(folder)
        return StudyResult(rows, write_report(folder, rows), folder)


@contextmanager
def _claimed(out: Path) -> Iterator[Path]:
    """`out` as a study's folder that no other study uses meanwhile."""
    open_study(out)
    with files.claim(out / "lock") as held:
        if not held:
            raise InputError(f"out: '{out}' is in use by another study; choose another --out")
        files.remove_leftovers(out)
        yield out


def _cores() -> int:
    """Those this process may use, which a container or a batch system may have cut."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
