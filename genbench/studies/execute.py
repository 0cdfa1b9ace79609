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
from genbench.data.streams import Stream, resample
from genbench.models import create_model
from genbench.ops.backend import backend
from genbench.studies.cells import Cell, derived_seed, read_row, write_row
from genbench.studies.parts import resolve
from genbench.studies.tasks import SCORES, ArrayTask, Task, load_task
from genbench.train.checkpoint import keep_newest, load_latest, save_checkpoint
from genbench.train.loop import Diverged, Trainer, global_seed

SHOWN = 2_000  # samples kept for the picture
FRAME, IMAGES = 512, 64  # samples kept of every evaluation: points, pictures


@dataclass
class _Run:
    """A cell on its way: what a checkpoint holds, and what scoring needs."""

    cell: Cell
    task: Task
    scale: float  # training data are divided by it
    trainer: Trainer
    history: list[dict[str, Any]]
    seconds: float = 0.0  # of earlier, interrupted parts

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

    def restore(self, state: dict[str, Any]) -> None:
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
    folder = cell.folder(out)
    for place in (folder, folder / "frames"):
        files.remove_leftovers(place)
    (folder / "error.txt").unlink(missing_ok=True)  # of an earlier try
    if (row := read_row(folder)) is not None:
        return row
    started = time.monotonic()
    with backend(cell.spec["backend"]):
        run = _prepare(cell, own or {})
        if (state := load_latest(folder / "checkpoints")) is not None:
            run.restore(state)
        fault, earlier = None, run.seconds
        try:
            finished = _train(run, folder, started, should_stop, report)
        except Diverged as error:
            finished, fault = True, error
        run.seconds = earlier + time.monotonic() - started
        if not finished:
            save_checkpoint(folder / "checkpoints", run.trainer.step_index, run.state())
            return None
        row = _row(run, fault)
    write_row(folder, row)
    keep_newest(folder / "checkpoints", 1)  # nothing goes on from here; `sample` needs one
    return row


def _prepare(cell: Cell, own: dict[str, Any]) -> _Run:
    spec = cell.spec
    task = load_task(Path(cell.parts["task"]), spec["data"])
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
    scale = task.scale if spec["standardise"] else 1.0
    stream = Stream(
        _sampler(task, spec),
        batch_size=spec["batch_size"] * spec["packs"],
        seed=derived_seed(spec["seed"], "data"),
        scale=scale,
        dtype=dtype,
        device=spec["device"],
    )
    seed = derived_seed(spec["seed"], "noise")
    trainer = Trainer(model, stream, steps=spec["steps"], seed=seed, compiled=spec["compiled"])
    return _Run(cell, task, scale, trainer, [])


def _sampler(task: Task, spec: dict[str, Any]) -> Callable[[int, torch.Generator], Tensor]:
    """Fresh points, or those of the seed's training set where the protocol has one."""
    if spec["points"] is None or isinstance(task, ArrayTask):
        return task.sample
    rng = torch.Generator().manual_seed(derived_seed(spec["seed"], "points"))
    return resample(task.sample(spec["points"], rng))


def _train(
    run: _Run,
    folder: Path,
    started: float,
    should_stop: Callable[[], bool],
    report: Callable[[int], None],
) -> bool:
    """Train to the end, scoring at each evaluation; False when asked to stop before it."""
    spec, trainer, earlier = run.cell.spec, run.trainer, run.seconds
    marks = [
        round(spec["steps"] * (i + 1) / spec["evaluations"]) for i in range(spec["evaluations"])
    ]
    scored = run.history[-1]["step"] if run.history else 0
    for mark in sorted({mark for mark in marks if mark > scored}):
        while trainer.step_index < mark:
            if should_stop():
                return False
            trainer.step()
            report(trainer.step_index)
        samples = _draw(run)
        _keep_samples(folder, samples, mark, last=mark == spec["steps"])
        run.history.append({"step": mark, **run.task.score(samples)})
        run.seconds = earlier + time.monotonic() - started
        save_checkpoint(folder / "checkpoints", mark, run.state())
    return True


@torch.no_grad()
def _draw(run: _Run) -> Tensor:
    """Fresh samples in the data's units; the same latents at every evaluation."""
    spec, model = run.cell.spec, run.trainer.model
    rng = torch.Generator().manual_seed(derived_seed(spec["seed"], "samples"))
    model.eval()
    samples = model.sample(spec["samples"], rng).double().cpu() * run.scale
    model.train()
    if not samples.isfinite().all():
        step = run.trainer.step_index
        raise Diverged(f"samples are not finite at step {step}", term="samples", step=step)
    return samples


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


def _row(run: _Run, fault: Diverged | None) -> dict[str, Any]:
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
