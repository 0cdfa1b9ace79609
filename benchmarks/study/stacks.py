"""A stacked step on a GPU: how long a replay takes, what bounds it, and seed-steps a second.

Figures are seconds of the device for one step of one real seed, as in the rows of the workers.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.study.ours import DATA
from benchmarks.study.plain import OBJECTIVES, QUICK
from genbench import create_model
from genbench.data import SeededStream, mixture
from genbench.data.seeded import MixtureSource
from genbench.studies.plan import STACKED
from genbench.train.ensemble import CHUNK, Ensemble, run_together
from genbench.train.loop import Trainer, global_seed

SEEDS, LANES = 10, STACKED["cuda"]  # ten seeds a loss; the lanes that a study has
STACK, COMPILED = "stacked seeds, CUDA graph", "stacked seeds, CUDA graph, compiled"
VARIANTS = {STACK: False, COMPILED: True}
TOGETHER = "all three at once"
WARM_UP = 2 * CHUNK  # steps


class Replay(NamedTuple):
    """seconds: of a step of all lanes, for each round. host: seconds a step until the calls that
    feed the device have returned. kernels: launched in a step; busy: seconds they take, one after
    the other. A step as long as `busy` is bound by its kernels, one as long as `host` by Python."""

    seconds: list[float]
    host: float
    kernels: int
    busy: float


def stacks(name: str, *, compiled: bool) -> list[Ensemble]:
    """The ensemble of an objective, or of each for `TOGETHER`."""
    names = OBJECTIVES if name == TOGETHER else (name,)
    return [ensemble(objective, compiled=compiled) for objective in names]


def ensemble(objective: str, *, compiled: bool, device: str = "cuda", **config: Any) -> Ensemble:
    """`SEEDS` cells of the quick protocol in `LANES` lanes."""
    data, trainers = mixture(DATA), []
    for seed in range(SEEDS):
        with global_seed(seed):
            options = {**QUICK.model, **config}
            model: Any = create_model("gan", data_shape=(2,), loss=objective, **options)
        model.to(device)
        about: dict[str, Any] = {"scale": data.scale, "device": device}
        stream = SeededStream(MixtureSource(data), batch_size=QUICK.batch_size, seed=seed, **about)
        trainers.append(Trainer(model, stream, steps=QUICK.steps, seed=seed))
    return Ensemble(trainers, lanes=LANES, compiled=compiled)


def measure(ensembles: Sequence[Ensemble], *, steps: int, rounds: int) -> Replay:
    """`rounds` of `steps` steps of all ensembles side by side."""
    run_together(ensembles, WARM_UP)
    wait()
    seconds, host = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        run_together(ensembles, steps)
        host.append((time.perf_counter() - started) / steps)
        wait()
        seconds.append((time.perf_counter() - started) / steps)
    kernels, busy = launches(lambda: (run_together(ensembles, 1), wait()))
    for each in ensembles:
        assert each.settle() == [None] * SEEDS  # a lane that diverged would be no measurement
    return Replay(seconds, sorted(host)[rounds // 2], kernels, busy)


def wait() -> None:
    """Until the device has nothing to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def launches(work: Callable[[], Any]) -> tuple[int, float]:
    """How many kernels the device runs in `work`, and their seconds; nothing on the CPU."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        work()
    kernels = [e for e in found.events() or [] if e.device_type.name == "CUDA"]
    return len(kernels), sum(event.device_time_total for event in kernels) / 1e6
