"""The front of the benchmarks: which rows there are, and how one is measured and replayed.

    pytest benchmarks/ --benchmark-only                    2^10, 2^16, 2^20, some 2^24; one thread
    pytest benchmarks/ --benchmark-only --full             2^10, 2^12, ... 2^24, bfloat16
    pytest benchmarks/ --benchmark-only --device cuda

docs/benchmarks.md says what the rows and columns mean. Rows under results/ are --benchmark-json
files.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import pytest
import torch

from benchmarks.check import Disagreement
from benchmarks.machine import machine, threads
from benchmarks.measure import Effort, Measured, measure
from benchmarks.operation import BOTH, FORWARD, Case, Operation, checked_calls
from benchmarks.replay import ReplayClock, replay
from benchmarks.rows import eager_form, extra_info
from genbench.ops.backend import describe, fused_for

SIZES, LARGE = (10, 16, 20), 24
FULL_SIZES = range(10, 26, 2)
HALF_SIZES = (16, 20, 24)  # bfloat16 in a full run
LARGE_VARIANTS = ("eager", "fused")  # of 2^24 in the default run; the others take a minute
UNUSED = ("data", "total", "ld15iqr", "hd15iqr", "iqr_outliers", "stddev_outliers")
SLOWEST = 5  # groups listed at the end

CLOCK = ReplayClock()
TOOK = pytest.StashKey[dict[str, float]]()  # group -> seconds to check and measure it


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("genbench")
    group.addoption("--full", action="store_true", help="all sizes, directions and dtypes")
    group.addoption("--threads", type=int, default=1, help="threads that torch computes with")
    group.addoption("--device", default="cpu", help="cpu or cuda")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TOOK] = {}
    device: Any = config.getoption("device")
    count: Any = config.getoption("threads")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise pytest.UsageError(f"--device must be cpu or cuda, got {device!r}")
    if device != "cpu" and not torch.cuda.is_available():
        raise pytest.UsageError(
            f"--device {device}: torch {torch.__version__} finds no CUDA device"
        )
    if count < 1:
        raise pytest.UsageError(f"--threads must be at least 1, got {count}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" not in metafunc.fixturenames:
        return
    full: Any = metafunc.config.getoption("full")
    named: Any = metafunc.config.getoption("device")
    device, module = torch.device(named), cast(Any, metafunc.module)
    cases = [
        case
        for operation in module.OPERATIONS
        for case in (full_cases if full else default_cases)(operation, device)
    ]
    rows = [(case, variant) for case in cases for variant in variants_of(case, full)]
    ids = [f"{case.id}-{variant}" for case, variant in rows]
    metafunc.parametrize("row", rows, indirect=True, ids=ids)


def default_cases(operation: Operation, device: torch.device) -> Iterator[Case]:
    for direction in operation.directions:
        for size in (*SIZES, *([LARGE] if operation.large else [])):
            yield Case(operation, direction, 2**size, device=device)


def full_cases(operation: Operation, device: torch.device) -> Iterator[Case]:
    for direction in (FORWARD, BOTH):
        if direction in operation.floors:
            for size in FULL_SIZES:
                yield Case(operation, direction, 2**size, device=device)
            for size in HALF_SIZES:
                yield Case(operation, direction, 2**size, torch.bfloat16, device)


def variants_of(case: Case, full: bool) -> list[str]:
    names = case.operation.variants()
    some = case.elements == 2**LARGE and not full
    return [name for name in names if name in LARGE_VARIANTS] if some else names


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if rows_case(item) is not None:
            item.add_marker(pytest.mark.benchmark(timer=CLOCK))


def rows_case(item: pytest.Item) -> tuple[Case, str] | None:
    spec = getattr(item, "callspec", None)
    return spec.params.get("row") if spec is not None else None


@pytest.fixture
def row(request: pytest.FixtureRequest, benchmark: Any, group_of: Any) -> Callable[[], None]:
    """Measures the group of this row unless that is done, and replays the row's part."""
    case, variant = request.param
    benchmark.group = case.group

    def run() -> None:
        group = group_of(case, timed=benchmark.enabled)
        if variant in group.absent:
            pytest.skip(group.absent[variant])
        if variant in group.wrong:
            raise group.wrong[variant]
        if group.measured is None:
            replay(benchmark, CLOCK, [0.0])
            return
        label = eager_form(group.measured.reused) if variant == "eager" else variant
        benchmark.extra_info.update(extra_info(case, label, group.measured) | group.machine)
        replay(benchmark, CLOCK, group.measured.reused[label])

    return run


class Group(NamedTuple):
    """What became of one comparison."""

    absent: dict[str, str]  # variant -> why it cannot run here
    wrong: dict[str, Disagreement]
    measured: Measured | None  # None where nothing is to be timed
    machine: dict[str, Any]


@pytest.fixture(scope="session")
def group_of(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Any]:
    """(case, timed) -> Group, measured at the first call."""
    known: dict[str, Group] = {}
    asked: dict[str, list[str]] = {}
    for case, variant in filter(None, map(rows_case, request.session.items)):
        asked.setdefault(case.group, []).append(variant)

    def find(case: Case, timed: bool) -> Group:
        if case.group not in known:
            started = time.perf_counter()
            known[case.group] = run_group(case, asked[case.group], timed)
            pytestconfig.stash[TOOK][case.group] = time.perf_counter() - started
        return known[case.group]

    count: Any = pytestconfig.getoption("threads")
    with threads(count):
        yield find


def run_group(case: Case, variants: list[str], timed: bool) -> Group:
    absent = {name: why for name in variants if (why := why_absent(case, name))}
    present = [name for name in variants if name not in absent]
    calls, wrong = checked_calls(case, present)
    measured = None
    about = machine(case.device)  # before: the load of others, not that of this measurement
    if timed and calls:
        measured = measure(
            calls,
            elements=case.elements,
            moved_bytes=case.moved_bytes,
            device=case.device,
            effort=Effort(),
        )
    return Group(absent, wrong, measured, about)


def why_absent(case: Case, variant: str) -> str | None:
    """One line on why a variant cannot run here; None where it can."""
    if variant == "fused":
        (status,) = (entry for entry in describe() if entry["op"] == case.operation.name)
        if status["backend"] != "fused":
            return f"not fused: {status['why']}"
        return None if fused_for(case.operation.name, case.probe()) else f"no kernel for {case.id}"
    if variant in case.operation.rivals:
        try:
            case.operation.rivals[variant]()
        except ImportError as error:
            return str(error)
    return None


def pytest_benchmark_update_json(config: Any, benchmarks: Any, output_json: dict[str, Any]) -> None:
    """Keep rows small: percentiles are in extra_info, and so is what matters of the machine.

    What `pytest-benchmark compare` reads stays.
    """
    kept = ("machine", "system", "python_version")
    output_json["machine_info"] = {key: output_json["machine_info"][key] for key in kept}
    for row in output_json["benchmarks"]:
        row["params"] = None  # objects; extra_info holds what they say
        row.pop("options")  # of a calibration that does not happen
        for name in UNUSED:
            row["stats"].pop(name, None)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    took = config.stash[TOOK]
    if not took:
        return
    slowest = sorted(took.items(), key=lambda item: -item[1])[:SLOWEST]
    terminalreporter.section("groups that took longest, checked and measured")
    for group, seconds in slowest:
        terminalreporter.write_line(f"{seconds:7.1f} s  {group}")
    terminalreporter.write_line(f"{sum(took.values()):7.1f} s  all {len(took)} groups")
