"""The study's own cells, two worker processes with one thread each: what `genbench study` runs.

    python -m benchmarks.study.ours OBJECTIVE

answers JSON lines on standard input, {"seed": s, "steps": n}, by the seconds that a cell took.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.study.plain import QUICK, Draws
from genbench import create_model, ops
from genbench.data import Stream, mixture
from genbench.ops import fold_seed
from genbench.protocol import Examples
from genbench.train.loop import Trainer, global_seed

DATA = "grid25"
WORKERS = 2
CHECKED = 3  # steps whose losses are compared


def trainer(objective: str, seed: int, *, compiled: bool) -> Trainer:
    """A cell of the quick protocol."""
    data = mixture(DATA)
    with global_seed(seed):
        model = create_model("gan", data_shape=(2,), loss=objective, **QUICK.model)
    stream = Stream(data.sample, batch_size=QUICK.batch_size, seed=seed, scale=data.scale)
    return Trainer(model, stream, steps=QUICK.steps, seed=seed, compiled=compiled)


class Recorded:
    """What a cell draws, in the form that a plain loop takes it."""

    def __init__(self, objective: str, seed: int) -> None:
        found = trainer(objective, seed, compiled=False)
        self.weights = found.model.state_dict()
        self.draws = []
        for _ in range(CHECKED):
            real, other = (Examples.of(next(found.batches)).x for _ in range(2))
            seeds = found.seeds(2)
            shape = (len(real), QUICK.model["latent_dim"])
            critic_z, generator_z = (ops.normal(shape, seed=fold_seed(s, 0)) for s in seeds)
            alpha = ops.uniform((len(real), 1), seed=fold_seed(seeds[0], 1))
            self.draws.append(Draws(real, critic_z, alpha, generator_z))
            assert other.shape == real.shape  # the generator's turn has a batch that it ignores


class Workers:
    """Two processes that run cells at the same time, with an empty cache of compiled code."""

    def __init__(self, objective: str, cache: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.study.ours", objective]
        root = Path(__file__).parents[2]
        path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(cache), "PYTHONPATH": path}
        pipe: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.processes = [
            subprocess.Popen(command, env=environment, **pipe) for _ in range(WORKERS)
        ]
        self.answers(self.processes)  # torch is imported

    def answers(self, processes: list[subprocess.Popen]) -> list[dict[str, Any]]:
        lines = [process.stdout.readline() for process in processes if process.stdout]
        if not all(lines):
            raise RuntimeError("a worker of the benchmark ended; its error is above")
        return [json.loads(line) for line in lines]

    def first(self, number: int, steps: int) -> dict[str, Any]:
        """A cell of seed `number` in that worker while the others wait; what it measured."""
        process = self.processes[number]
        self._ask(process, number, steps)
        return self.answers([process])[0]

    def run(self, steps: int, first_seed: int) -> list[dict[str, Any]]:
        """One cell of `steps` steps in each worker, at the same time; what they measured."""
        for seed, process in enumerate(self.processes, first_seed):
            self._ask(process, seed, steps)
        return self.answers(self.processes)

    def _ask(self, process: subprocess.Popen, seed: int, steps: int) -> None:
        assert process.stdin
        process.stdin.write(json.dumps({"seed": seed, "steps": steps}) + "\n")
        process.stdin.flush()

    def close(self) -> None:
        for process in self.processes:
            if process.stdin:
                process.stdin.close()
            process.wait()
            if process.stdout:
                process.stdout.close()


def main() -> None:
    objective = sys.argv[1]
    torch.set_num_threads(1)
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.perf_counter()
        cell = trainer(objective, asked["seed"], compiled=True)
        losses = [[float(terms[f"{p}/loss"]) for p in cell.model.phases] for terms in [cell.step()]]
        ready = time.perf_counter()
        for _ in range(asked["steps"] - 1):
            terms = cell.step()
            if len(losses) < CHECKED:
                losses.append([float(terms[f"{p}/loss"]) for p in cell.model.phases])
        seconds = time.perf_counter() - ready
        answer = {"start": ready - started, "steps": seconds, "losses": losses}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
