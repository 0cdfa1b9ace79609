"""A run at work: steps, log, evaluations, pictures, checkpoints, and the trained system."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from genbench import files
from genbench.data.datasets import Dataset
from genbench.protocol import Batch
from genbench.report.stages import Stages
from genbench.report.training import curves_png, samples_png
from genbench.studies.cells import derived_seed
from genbench.studies.training.log import NAME as LOG
from genbench.studies.training.log import Log, read_log
from genbench.studies.training.plan import Plan
from genbench.train.checkpoint import load_latest, save_checkpoint
from genbench.train.loop import Trainer

SHOWN = 64  # samples in a picture; points on the plane: 16 times as many
HELD_OUT = 2_000  # rows of the test part that the held-out loss is taken over, at most
LINES = 500  # of the log, beside the evaluations


@dataclass
class Run:
    """A run at work. best: the least held-out loss so far, and its step."""

    plan: Plan
    data: Dataset
    trainer: Trainer
    folder: Path
    told: Stages
    log: Log = field(init=False)
    best: tuple[float, int] | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds; "model" is what `genbench sample` rebuilds it from."""
        plan = self.plan.content()
        about = {"name": plan["model"], "config": plan["config"], "scale": 1.0}
        return {
            "trainer": self.trainer.state_dict(),
            "best": self.best,
            "model": {**about, "loss": plan["model"], "data_shape": plan["data_shape"]},
            "own_networks": False,
        }

    def save(self) -> None:
        """A checkpoint, of which two are kept."""
        save_checkpoint(self.folder / "checkpoints", self.trainer.step_index, self.state())

    def restore(self) -> None:
        """Goes on from the last checkpoint, if there is one."""
        if (state := load_latest(self.folder / "checkpoints")) is not None:
            self.trainer.load_state_dict(state["trainer"])
            self.best = state["best"]


def work(run: Run) -> bool:
    """Trains to the end, or to the first signal; whether the end was reached."""
    plan, trainer = run.plan, run.trainer
    marks = {round(plan.steps * (i + 1) / plan.evaluations) for i in range(plan.evaluations)}
    every = max(1, plan.steps // LINES)
    while trainer.step_index < plan.steps:
        if run.stopping.is_set():
            run.save()
            return False
        terms = trainer.step()
        step = trainer.step_index
        values = {}
        if step % every == 0 or step in marks:
            values = {name: term.item() for name, term in terms.items()}
        if step in marks:
            values |= evaluate(run, step)
        if values:
            run.log.write(step, values)
        if step in marks:
            run.save()
        run.told.advance(f"train {plan.model}", step, plan.steps)
    return True


def evaluate(run: Run, step: int) -> dict[str, float]:
    """Draws samples and takes the held-out loss; the best model so far goes to best/."""
    with run.trainer.evaluated() as model:
        draw(run, model, step)
        if len(set(model.phases)) > 1:  # players' losses say nothing of the samples
            return {}
        loss = held_out_loss(run, model)
        if run.best is None or loss < run.best[0]:
            run.best = loss, step
            model.save_pretrained(run.folder / "best")  # type: ignore[attr-defined]
    return {"held_out/loss": loss}


@torch.no_grad()
def draw(run: Run, model: Any, step: int) -> None:
    """The same latents at every evaluation, as a picture where samples can be seen."""
    points = len(run.plan.data_shape) == 1
    rng = torch.Generator().manual_seed(derived_seed(run.plan.seed, "samples"))
    x = model.sample(SHOWN * 16 if points else SHOWN, rng).float().cpu().numpy()
    truth = run.data.test.take(slice(0, SHOWN * 16)).x.cpu().numpy() if points else None
    if (picture := samples_png(x, truth)) is not None:
        files.write_bytes(run.folder / "samples" / f"{step:08d}.png", picture)


def held_out_loss(run: Run, model: Any) -> float:
    """Mean loss over rows held out, with the same noise at every evaluation."""
    total, count = 0.0, min(HELD_OUT, len(run.data.test))
    rng = torch.Generator().manual_seed(derived_seed(run.plan.seed, "held out"))
    phase = model.phases[0]
    for start in range(0, count, run.plan.batch):
        rows = slice(start, min(start + run.plan.batch, count))
        given = run.data.test.take(rows).to(run.plan.device)
        seed = torch.randint(2**63 - 1, (1,), generator=rng).to(given.x.device)
        loss = model.loss(Batch(seed=seed, done=1.0, **given._asdict()), phase)["loss"]
        total += loss.item() * len(given.x)
    return total / count


def finish(run: Run) -> dict[str, Any]:
    """The trained system in model/, curves of the log, and the run in figures."""
    with run.trainer.evaluated() as model:
        model.save_pretrained(run.folder / "model")  # type: ignore[attr-defined]
        parameters = sum(p.numel() for p in model.parameters())  # type: ignore[attr-defined]
    log = read_log(run.folder / LOG)
    if (picture := curves_png(log)) is not None:
        files.write_bytes(run.folder / "curves.png", picture)
    last = {name: value for line in log for name, value in line.items() if name != "step"}
    return {"steps": run.plan.steps, "parameters": parameters, "last": last, "best": run.best}


@contextmanager
def listening(run: Run) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM ask the run to stop at its next step."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = lambda *_: run.stopping.set()  # noqa: E731
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
