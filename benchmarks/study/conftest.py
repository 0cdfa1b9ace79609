"""The front of the study's benchmark: short rounds by default, ten times as long with --full."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.machine import machine
from benchmarks.replay import ReplayClock, replay
from benchmarks.study import stacks
from benchmarks.study.measured import ALL, OURS, PLAIN, VARIANTS, WORKERS, Measured, measure
from benchmarks.study.plain import OBJECTIVES, QUICK

CLOCK = ReplayClock()
ROUNDS, STEPS, FULL_STEPS = 5, 200, 2_000


ROWS = {
    "study_row": [(objective, variant) for objective in OBJECTIVES for variant in VARIANTS],
    "stack_row": [(name, v) for name in (*OBJECTIVES, stacks.TOGETHER) for v in stacks.VARIANTS],
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, rows in ROWS.items():
        if fixture in metafunc.fixturenames:
            ids = [f"{objective}-{variant}" for objective, variant in rows]
            metafunc.parametrize(fixture, rows, indirect=True, ids=ids)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(fixture in getattr(item, "fixturenames", ()) for fixture in ROWS):
            item.add_marker(pytest.mark.benchmark(timer=CLOCK))


@pytest.fixture
def study_row(
    request: pytest.FixtureRequest, benchmark: Any, study_group: Any
) -> Callable[[], None]:
    """Measures the objective of this row unless that is done, and replays the row's part."""
    objective, variant = request.param
    if request.config.getoption("device") != "cpu":
        pytest.skip("the study's workers are timed on the CPU")
    benchmark.group = f"quick, {objective}"

    def run() -> None:
        measured, about = study_group(objective)
        if variant in measured.absent:
            pytest.skip(measured.absent[variant])
        seconds = measured.seconds[variant]
        benchmark.extra_info.update(about | extra_info(objective, variant, measured))
        replay(benchmark, CLOCK, seconds)

    return run


@pytest.fixture
def stack_row(request: pytest.FixtureRequest, benchmark: Any) -> Callable[[], None]:
    """Measures a stack of seeds on a GPU, or the three objectives' at once."""
    name, variant = request.param
    device: Any = request.config.getoption("device")
    if device == "cpu":
        pytest.skip("the replays of stacked seeds are timed on a GPU: --device cuda")
    benchmark.group = f"quick, {name}"

    def run() -> None:
        with torch.cuda.device(device):
            made = stacks.stacks(name, compiled=stacks.VARIANTS[variant])
            found = stacks.measure(made, steps=STEPS, rounds=ROUNDS)
        about = machine(torch.device(device))
        benchmark.extra_info.update(about | stack_info(name, variant, len(made), found))
        replay(benchmark, CLOCK, found.seconds)

    return run


def stack_info(name: str, variant: str, ensembles: int, found: stacks.Replay) -> dict[str, Any]:
    """What a row of a replay holds; compare.py reads the percentiles."""
    p10, p50, p90 = np.percentile(found.seconds, [10, 50, 90]) * 1e6
    return {
        "variant": variant,
        "objective": name,
        "batch": QUICK.batch_size,
        "dtype": "float32",
        "ensembles": ensembles,
        "lanes": stacks.LANES,
        "p10_us": round(p10, 2),
        "median_us": round(p50, 2),
        "p90_us": round(p90, 2),
        "replay_ms": round(p50 / 1e3, 4),
        "host_ms": round(found.host * 1e3, 4),
        "kernels_a_replay": found.kernels,
        "kernels_ms": round(found.busy * 1e3, 4),
        "seed_steps_a_second": round(ensembles * stacks.SEEDS * 1e6 / p50, 1),
    }


@pytest.fixture(scope="session")
def study_group(pytestconfig: pytest.Config) -> Iterator[Any]:
    """objective -> Measured, machine; measured at the first call."""
    known: dict[str, tuple[Measured, dict[str, Any]]] = {}
    full: Any = pytestconfig.getoption("full")

    def find(objective: str) -> tuple[Measured, dict[str, Any]]:
        if objective not in known:
            about = machine(torch.device("cpu"))
            steps = FULL_STEPS if full else STEPS
            known[objective] = measure(objective, steps=steps, rounds=ROUNDS), about
        return known[objective]

    yield find


def extra_info(objective: str, variant: str, measured: Measured) -> dict[str, Any]:
    """What a row holds; compare.py reads the percentiles."""
    p10, p50, p90 = np.percentile(measured.seconds[variant], [10, 50, 90]) * 1e6
    best = min(np.median(measured.seconds[n]) for n in PLAIN if n in measured.seconds) * 1e6
    ours = variant in (OURS, ALL)
    return {
        "variant": variant,
        "objective": objective,
        "batch": QUICK.batch_size,
        "dtype": "float32",
        "processes": WORKERS if ours else 1,
        "threads": 1 if ours else PLAIN[variant][0],
        "p10_us": round(p10, 2),
        "median_us": round(p50, 2),
        "p90_us": round(p90, 2),
        "seed_steps_a_second": round(1e6 / p50, 1),
        "times_the_best_plain_loop": round(best / p50, 2),
        "first_cell_starts_in_s": round(measured.start, 2) if ours else None,
        "other_worker_starts_in_s": round(measured.found, 2) if ours else None,
        "later_cells_start_in_s": round(measured.again, 2) if ours else None,
    }
