"""Runs one cell: train, score along the way, keep checkpoints, write the row last."""

from __future__ import annotations

import io
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench import files
from genbench.data.seeded import RowSource, SeededStream
from genbench.data.streams import Stream, resample
from genbench.models import create_model
from genbench.ops.backend import backend
from genbench.studies.cells import Cell, derived_seed, read_row, write_row
from genbench.studies.parts import resolve
from genbench.studies.tasks import SCORES, ArrayTask, Task, load_task
from genbench.train.checkpoint import keep_newest, load_latest, save_checkpoint
from genbench.train.loop import Batches, Diverged, Trainer, global_seed

SHOWN = 2_000  # samples kept for the picture
FRAME, IMAGES = 512, 64  # samples kept of every evaluation: points, pictures


@dataclass
class Run:
    """A cell on its way: what a checkpoint holds, and what scoring needs."""

    cell: Cell
    task: Task
    scale: float  # training data are divided by it
    trainer: Trainer
    history: list[dict[str, Any]]
    seconds: float = 0.0  # of earlier, interrupted parts

    def marks(self) -> list[int]:
        """The steps of the evaluations to come."""
        steps, count = self.cell.spec["steps"], self.cell.spec["evaluations"]
        scored = self.history[-1]["step"] if self.history else 0
        marks = {round(steps * (i + 1) / count) for i in range(count)}
        return sorted(mark for mark in marks if mark > scored)

    def state(self) -> dict[str, Any]:
        spec = self.cell.spec
        model = {"name": spec["model"], "config": spec["config"], "scale": self.scale}
        return {
            "trainer": self.trainer.state_dict(),
            "history": self.history,
            "seconds": self.seconds,
            "model": {**model, "loss": spec["loss"], "data_shape": list(self.task.data_shape)},
            "own_networks": "generator" in spec["identity"],
        }

    def save(self, folder: Path) -> None:
        """A checkpoint in the cell's folder."""
        save_checkpoint(folder / "checkpoints", self.trainer.step_index, self.state())

    def restore(self, folder: Path) -> None:
        """Goes on from the folder's last checkpoint, if there is one."""
        if (state := load_latest(folder / "checkpoints")) is not None:
            self.trainer.load_state_dict(state["trainer"])
            self.history, self.seconds = state["history"], state["seconds"]


def run_cell(
    cell: Cell,
    out: Path,
    *,
    own: dict[str, Any] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    report: Callable[[int], None] = lambda step: None,
) -> dict[str, Any] | None:
    """The cell's row, from its last checkpoint on; None when `should_stop` asked to stop.

    own: the user's functions by part name ("loss", "generator", "critic") where they cannot be
    imported. report: called with the number of finished steps.
    """
    folder = tidied(cell, out)
    if (row := read_row(folder)) is not None:
        return row
    started = time.monotonic()
    with backend(cell.spec["backend"]):
        run = prepare(cell, own or {}, open_task(cell))
        run.restore(folder)
        fault, earlier = None, run.seconds
        try:
            finished = _train(run, folder, started, should_stop, report)
        except Diverged as error:
            finished, fault = True, error
        run.seconds = earlier + time.monotonic() - started
        if not finished:
            run.save(folder)
            return None
        return finish(run, folder, fault)


def finish(run: Run, folder: Path, fault: Diverged | None) -> dict[str, Any]:
    """Writes the row of a run that came to its end, or to `fault`."""
    row = _row(run, fault)
    write_row(folder, row)
    keep_newest(folder / "checkpoints", 1)  # nothing goes on from here; `sample` needs one
    return row


def tidied(cell: Cell, out: Path) -> Path:
    """The cell's folder, without what an earlier try left there."""
    folder = cell.folder(out)
    for place in (folder, folder / "frames"):
        files.remove_leftovers(place)
    (folder / "error.txt").unlink(missing_ok=True)
    return folder


def prepare(cell: Cell, own: dict[str, Any], task: Task) -> Run:
    """The cell at its start. own: the user's functions by part name, as in `run_cell`."""
    spec = cell.spec
    found = {
        name: own[name] if name in own else resolve(cell.parts[name])
        for name in ("loss", "generator", "critic")
        if name in own or name in cell.parts
    }
    options = {**spec["config"], "loss": spec["objective"], **found}
    dtype = getattr(torch, spec["dtype"])
    with global_seed(derived_seed(spec["seed"], "weights")):
        model: Any = create_model(spec["model"], data_shape=task.data_shape, **options)
    model.to(device=spec["device"], dtype=dtype)
    scale = _scale(task, spec)
    stream = _batches(
        task,
        spec,
        batch_size=spec["batch_size"] * spec["packs"],
        seed=derived_seed(spec["seed"], "data"),
        scale=scale,
        dtype=dtype,
        device=spec["device"],
    )
    seed = derived_seed(spec["seed"], "noise")
    compiled = spec["compiled"] and "stacked" not in spec  # there the stack is compiled
    trainer = Trainer(model, stream, steps=spec["steps"], seed=seed, compiled=compiled)
    return Run(cell, task, scale, trainer, [])


def open_task(cell: Cell) -> Task:
    """The data of a cell, as the study saved them."""
    return load_task(Path(cell.parts["task"]), cell.spec["data"])


def _scale(task: Task, spec: dict[str, Any]) -> float:
    return task.scale if spec["standardise"] else 1.0


def _batches(task: Task, spec: dict[str, Any], **about: Any) -> Batches:
    """Fresh points, or those of the seed's training set where the protocol has one."""
    points = None
    if spec["points"] is not None and not isinstance(task, ArrayTask):
        rng = torch.Generator().manual_seed(derived_seed(spec["seed"], "points"))
        points = task.sample(spec["points"], rng)
    if "stacked" in spec:
        source = task.source if points is None else RowSource(points, shared=False)
        return SeededStream(source, **about)
    return Stream(task.sample if points is None else resample(points), **about)


def _train(
    run: Run,
    folder: Path,
    started: float,
    should_stop: Callable[[], bool],
    report: Callable[[int], None],
) -> bool:
    """Train to the end, scoring at each evaluation; False when asked to stop before it."""
    trainer, earlier = run.trainer, run.seconds
    for mark in run.marks():
        while trainer.step_index < mark:
            if should_stop():
                return False
            trainer.step()
            report(trainer.step_index)
        run.history.append(judge(run.cell, run.task, folder, draw(run), mark))
        run.seconds = earlier + time.monotonic() - started
        run.save(folder)
    return True


@torch.no_grad()
def draw(run: Run) -> Tensor:
    """Fresh samples, as the model makes them; the same latents at every evaluation.

    Raises Diverged where they are not finite.
    """
    spec, model = run.cell.spec, run.trainer.model
    rng = torch.Generator().manual_seed(derived_seed(spec["seed"], "samples"))
    model.eval()
    samples = model.sample(spec["samples"], rng).cpu()
    model.train()
    if not samples.isfinite().all():
        step = run.trainer.step_index
        raise Diverged(f"samples are not finite at step {step}", term="samples", step=step)
    return samples


def judge(cell: Cell, task: Task, folder: Path, samples: Tensor, step: int) -> dict[str, Any]:
    """Keeps samples (n, *data_shape) of an evaluation and scores them in the data's units."""
    samples = samples.double() * _scale(task, cell.spec)
    _keep_samples(folder, samples, step, last=step == cell.spec["steps"])
    return {"step": step, **task.score(samples)}


def _keep_samples(folder: Path, samples: Tensor, step: int, *, last: bool) -> None:
    """What the report draws: a few samples of this evaluation, and more of the last one."""
    frame = FRAME if samples.ndim == 2 else IMAGES
    _write_array(folder / "frames" / f"{step:08d}.npy", samples[:frame])
    if last:
        _write_array(folder / "samples.npy", samples[:SHOWN])


def _write_array(path: Path, samples: Tensor) -> None:
    content = io.BytesIO()
    np.save(content, samples.float().numpy())
    files.write_bytes(path, content.getvalue())


def _merit(scores: dict[str, Any]) -> tuple[float, float, float]:
    """Ranks the evaluations of a cell as reports rank objectives."""
    return scores["modes_held"], scores["high_quality"] or 0.0, -(scores["kl"] or 0.0)


def _row(run: Run, fault: Diverged | None) -> dict[str, Any]:
    spec, history = run.cell.spec, run.history
    nothing = dict.fromkeys(SCORES)
    final = history[-1] if history and fault is None else {"step": None, **nothing}
    best = max(
        history,
        key=_merit,
        default={"step": None, **nothing},
    )
    return {
        **{name: spec[name] for name in ("data", "loss", "model", "protocol", "seed", "steps")},
        "status": "ok" if fault is None else "diverged",
        "reason": fault and str(fault),
        "term": fault and fault.term,  # of the loss
        "diverged_step": fault and fault.step,
        **{name: value for name, value in final.items() if name != "step"},
        **{f"best_{name}": value for name, value in best.items()},
        "mode_count": run.task.modes(),
        "floor": run.task.floor(spec["samples"]),
        "curve": history,
        "key": run.cell.key,
        "specification": spec,
        "versions": {
            "genbench": spec["code"],
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "device": spec["device"],
        "threads": torch.get_num_threads(),
        "seconds": round(run.seconds, 3),
        "conventions": {
            **run.task.conventions,
            "best": "the evaluation with most modes held, then highest quality, then least KL",
        },
    }
