"""The front of the metrics' benchmarks: small sizes by default, those of the claims with --full.

A row's peak memory is that of the call which was checked, beyond the features it was given.
"""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import torch

from benchmarks.machine import machine, threads
from benchmarks.metrics.comparison import Comparison, Function, Group, Size, extra_info, measure
from benchmarks.replay import ReplayClock, replay
from genbench.errors import InputError

CLOCK = ReplayClock()
Asked = tuple[Comparison, Size, str]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "metric_row" not in metafunc.fixturenames:
        return
    full: Any = metafunc.config.getoption("full")
    rows = [
        (comparison, size, variant)
        for comparison in cast(Any, metafunc.module).COMPARISONS
        for size in (comparison.full_sizes if full else comparison.sizes)
        for variant in comparison.variants
    ]
    ids = [f"{c.name}-{size.rows}x{size.width}-{variant}" for c, size, variant in rows]
    metafunc.parametrize("metric_row", rows, indirect=True, ids=ids)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if asked_of(item) is not None:
            item.add_marker(pytest.mark.benchmark(timer=CLOCK))


def asked_of(item: pytest.Item) -> Asked | None:
    spec = getattr(item, "callspec", None)
    return spec.params.get("metric_row") if spec is not None else None


@pytest.fixture
def metric_row(
    request: pytest.FixtureRequest, benchmark: Any, metric_group: Any
) -> Callable[[], None]:
    """Measures the group of this row unless that is done, and replays the row's part."""
    comparison, size, variant = request.param
    if request.config.getoption("device") != "cpu":
        pytest.skip("metrics are timed on the CPU")
    benchmark.group = comparison.group(size)

    def run() -> None:
        absent, group, about = metric_group(comparison, size)
        if variant in absent:
            pytest.skip(absent[variant])
        if variant in group.wrong:
            raise group.wrong[variant]
        timed = group.timed[variant]
        benchmark.extra_info.update(extra_info(comparison, size, variant, timed) | about)
        replay(benchmark, CLOCK, timed.seconds)

    return run


@pytest.fixture(scope="session")
def metric_group(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Any]:
    """(comparison, size) -> absent variants, Group, machine; measured at the first call."""
    known: dict[str, tuple[dict[str, str], Group, dict[str, Any]]] = {}
    asked: dict[str, list[str]] = {}
    for comparison, size, variant in filter(None, map(asked_of, request.session.items)):
        asked.setdefault(comparison.group(size), []).append(variant)

    def find(comparison: Comparison, size: Size) -> tuple[dict[str, str], Group, dict[str, Any]]:
        group = comparison.group(size)
        if group not in known:
            functions, absent = present(comparison, asked[group])
            about = machine(torch.device("cpu"))
            known[group] = absent, measure(comparison, size, functions), about
        return known[group]

    count: Any = pytestconfig.getoption("threads")
    with threads(count):
        yield find


def present(comparison: Comparison, names: list[str]) -> tuple[dict[str, Function], dict[str, str]]:
    """The functions of the variants that are here, and why others are not."""
    functions, absent = {}, {}
    for name in names:
        try:
            functions[name] = comparison.variants[name]()
        except (ImportError, InputError) as error:
            absent[name] = str(error)
    return functions, absent
