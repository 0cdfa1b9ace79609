"""The measuring core: variants of one comparison, warmed up, then timed in turn. No pytest here.

`interleave` calls one variant after the other, round by round, so that a slow minute of the machine
falls on all of them; the order rotates, so that none always follows the same one.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch

from benchmarks import memory
from benchmarks.machine import pinned

Call = Callable[[], object]
Timer = Callable[[Call], float]  # seconds of one call
Seconds = dict[str, list[float]]


class Twins(NamedTuple):
    """A call, and the same call of equal inputs that lie elsewhere: it warms code, not data."""

    call: Call
    twin: Call


WARM_UP = 3  # calls of each variant
SETTLE = 5  # untimed calls ahead of each timed one where caches are warm
FLUSHED_FROM = 2**16  # elements; smaller calls measure the way to the kernel, not memory
POOL_SHARE = 4  # memory kept, in what the operation has to move: more than all temporaries
TWIN_TO = 2**20  # elements; beyond, what cold code costs does not show
FRESH = ("eager", "fused")  # variants measured with fresh memory too, to save time
FRESH_FROM = 2**20  # elements; where pages begin to count


class Effort(NamedTuple):
    """How long to measure: seconds aimed at for each variant, within these numbers of rounds."""

    seconds: float = 0.3
    fewest: int = 7
    most: int = 100

    def rounds(self, one_round: float) -> int:
        return int(min(max(self.seconds / one_round, self.fewest), self.most))


class Measured(NamedTuple):
    """Seconds of every call of every variant, and of the copy of as many bytes."""

    reused: Seconds
    fresh: Seconds  # empty where not measured
    copy: list[float]
    faults: dict[str, int]  # pages that the median call faulted in, reused memory


def measure(
    variants: Mapping[str, Twins],
    *,
    elements: int,
    moved_bytes: int,
    device: torch.device,
    effort: Effort,
) -> Measured:
    """Times variants that were found right (`benchmarks.check`) beside a copy of `moved_bytes`.

    From FLUSHED_FROM elements on each call finds its inputs in no cache: all are flushed, then the
    twin runs. Below, all is warm. Memory is reused; from FRESH_FROM elements on, eager and fused
    are measured once more with fresh memory (see `benchmarks.memory`).
    """
    timer = CudaTimer(device) if device.type == "cuda" else cpu_seconds
    every = {**variants, "copy": Twins(*memory.copies(moved_bytes, device))}
    ahead = preparation(every, elements, device)
    calls = {name: twins.call for name, twins in every.items()}
    pool = POOL_SHARE * moved_bytes if device.type == "cpu" else 0
    with pinned(), memory.reused(pool), without_collection():
        reused = interleave(calls, timer=timer, before=ahead, effort=effort)
        copy = reused.pop("copy")
        faults = {name: faults_of(calls[name]) for name in variants}
        if elements < FRESH_FROM or device.type != "cpu" or not memory.controllable():
            return Measured(reused, {}, copy, faults)
        some = {name: calls[name] for name in variants if name.startswith(FRESH)}
        with memory.fresh() as give_back:

            def from_the_system(name: str) -> None:
                ahead(name)
                give_back()

            less = effort._replace(most=20)
            fresh = interleave(some, timer=timer, before=from_the_system, effort=less)
        return Measured(reused, fresh, copy, faults)


def preparation(
    variants: Mapping[str, Twins], elements: int, device: torch.device
) -> Callable[[str], None]:
    """What brings the caches into the state that a timed call of a variant is to find."""
    if elements < FLUSHED_FROM:
        return lambda name: settle(variants[name].call)
    flush = memory.flusher(device)

    def prepare(name: str) -> None:
        flush()
        if elements <= TWIN_TO:
            variants[name].twin()

    return prepare


def interleave(
    calls: Mapping[str, Call],
    *,
    timer: Timer,
    effort: Effort,
    before: Callable[[str], object],
) -> Seconds:
    """Seconds of each call; `before(name)` runs untimed ahead of every one.

    A slow variant sits out rounds, evenly spread, so that each costs about `effort.seconds`.
    """
    wanted = {
        name: effort.rounds(warm_up(call, timer, lambda name=name: before(name)))
        for name, call in calls.items()
    }
    total = max(wanted.values())
    seconds: Seconds = {name: [] for name in calls}
    for number in range(total):
        for name in rotated(list(calls), number):
            if number * wanted[name] % total < wanted[name]:
                before(name)
                seconds[name].append(timer(calls[name]))
    return seconds


def warm_up(call: Call, timer: Timer, before: Call) -> float:
    """Seconds of the last of a few rounds, `before` included; only one where that takes long."""
    spent = 0.0
    for _ in range(WARM_UP):
        started = time.perf_counter()
        before()
        timer(call)
        spent = time.perf_counter() - started
        if spent > 1:
            break
    return spent


def faults_of(call: Call) -> int:
    """Pages that a call faults in, the median of five: counted apart, for counting takes time."""
    counts = []
    for _ in range(5):
        before = memory.page_faults()
        call()
        counts.append(memory.page_faults() - before)
    return sorted(counts)[2]


def rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


def settle(call: Call) -> None:
    """Brings code and data of a small call back into the caches after another variant's turn."""
    for _ in range(SETTLE):
        call()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()  # nothing may be queued: what launching takes is to be seen


def cpu_seconds(call: Call) -> float:
    """Seconds of one call; freeing its result is not part of them."""
    started = time.perf_counter()
    result = call()
    spent = time.perf_counter() - started
    del result
    return spent


class CudaTimer:
    """Seconds between two events around a call, on the stream that it runs on.

    After a flush the call is enqueued while flush and twin still run: what it takes to launch then
    counts only as far as it outlasts them. Without one (small calls) launches count whole.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        with torch.cuda.device(device):
            self.start, self.stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def __call__(self, call: Call) -> float:
        with torch.cuda.device(self.device):
            self.start.record()
            result = call()
            self.stop.record()
            self.stop.synchronize()
        del result
        return self.start.elapsed_time(self.stop) / 1e3


@contextmanager
def without_collection() -> Iterator[None]:
    """No garbage collection inside a timed call."""
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
