"""The front door of training: checks what was asked for, begins or resumes the folder's run."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genbench import files
from genbench.data import open_dataset
from genbench.data.datasets import Dataset
from genbench.data.memory import place
from genbench.errors import InputError
from genbench.models import create_model
from genbench.ops.backend import active
from genbench.report.stages import Stages
from genbench.studies.cells import derived_seed
from genbench.studies.training.log import Log
from genbench.studies.training.plan import NAME, Plan, digest
from genbench.studies.training.run import Run, finish, listening, work
from genbench.train.loop import Trainer, global_seed
from genbench.train.options import Options

STEPS, BATCH, EVALUATIONS = 5_000, 64, 10


@dataclass(frozen=True)
class Trained:
    """out: the folder. finished: whether the last step was reached. result: result.json."""

    out: Path
    finished: bool
    result: Mapping[str, Any]


def train(
    model: str,
    *,
    data: str,
    out: str | Path,
    steps: int = STEPS,
    batch: int = BATCH,
    seed: int = 0,
    size: int | None = None,
    device: str = "cpu",
    resume: bool = False,
    download: bool = False,
    evaluations: int = EVALUATIONS,
    config: Mapping[str, Any] | None = None,
    options: Options | None = None,
    tensorboard: bool = False,
    progress: Stages | None = None,
) -> Trained:
    """Trains `model` on `data` into the folder `out`, or goes on with the run that is there.

    model, data: names, see `genbench models` and `genbench datasets`; size: pixels a side of
    pictures. config: fields of the model's Config. evaluations: how often samples are drawn, the
    held-out loss is taken and a checkpoint is written, evenly over the steps. The folder gets
    run.json, log.jsonl, samples/, checkpoints/ (the last two), best/ (least held-out loss; models
    of one phase), model/, curves.png, result.json. SIGINT and SIGTERM end it with a checkpoint; a
    resumed run ends on the bits of one that was never stopped. Raises InputError, Diverged.
    """
    for name, value in {"steps": steps, "batch": batch, "evaluations": evaluations}.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name}: must be a whole number of at least 1, got {value!r}")
    folder, told, options = Path(out), progress or Stages(), options or Options()
    found = open_dataset(data, size=size, download=download)
    plan = Plan(
        model=model,
        data=data if size is None else f"{data}, size {size}",
        data_shape=found.data_shape,
        data_digest=digest(found),
        steps=steps,
        batch=batch,
        seed=seed,
        device=device,
        backend=active(),
        evaluations=min(evaluations, steps),
        config=dict(config or {}),
        options=options,
    )
    system = _system(plan)  # refuses a wrong name or field before anything is written
    with _claimed(folder):
        _prepare(plan, folder, resume=resume, told=told)
        run = _open(plan, system, found, folder, told, board=tensorboard)
        try:
            return _to_the_end(run)
        finally:
            run.log.close()
            told.close()


def _system(plan: Plan) -> Any:
    with global_seed(derived_seed(plan.seed, "weights")):
        made: Any = create_model(plan.model, data_shape=plan.data_shape, **plan.config)
    try:
        return made.to(plan.device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        why = " ".join(str(error).split())
        raise InputError(f"device: cannot use '{plan.device}' ({why})") from error


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    try:
        with files.claim(folder / "lock") as held:
            if not held:
                raise InputError(f"out: another process trains in '{folder}'")
            yield
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"out: cannot write '{folder}' ({why}); choose another --out") from error


def _prepare(plan: Plan, folder: Path, *, resume: bool, told: Stages) -> None:
    """Writes the plan, or compares it with the one that is there."""
    if (folder / NAME).exists():
        if not resume:
            raise InputError(
                f"out: '{folder}' holds a run already; add --resume to go on, or choose another"
            )
        plan.check_same(folder)
    else:
        if resume:
            told.note(f"nothing to resume in '{folder}': starting")
        plan.write(folder)
    for room in ("", "samples", "best", "model"):
        files.remove_leftovers(folder / room)


def _open(
    plan: Plan, system: Any, data: Dataset, folder: Path, told: Stages, *, board: bool
) -> Run:
    """The run at its start or at its last checkpoint."""
    data, where = place(data, plan.device)
    if plan.device != "cpu":
        told.note(where)
    seed = derived_seed(plan.seed, "data")
    batches = data.batches(batch_size=plan.batch, seed=seed, device=plan.device)
    noise = derived_seed(plan.seed, "noise")
    trainer = Trainer(system, batches, steps=plan.steps, seed=noise, options=plan.options)
    run = Run(plan, data, trainer, folder, told)
    run.restore()
    if trainer.step_index:
        told.note(f"going on after step {trainer.step_index} of {plan.steps}")
    events = folder / "tensorboard" if board else None
    run.log = Log(folder, step=trainer.step_index, board=events)
    return run


def _to_the_end(run: Run) -> Trained:
    started = time.monotonic()
    with listening(run):
        finished = work(run)
    if not finished:
        return Trained(run.folder, False, {"steps": run.trainer.step_index})
    result = {**finish(run), "seconds": round(time.monotonic() - started, 1)}
    files.write_text(run.folder / "result.json", json.dumps(result, indent=1) + "\n")
    return Trained(run.folder, True, result)
