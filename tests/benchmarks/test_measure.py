"""The measuring core: turns taken, cores pinned, memory as said."""

import gc
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks import memory
from benchmarks.machine import machine, pinned, threads
from benchmarks.measure import (
    CudaTimer,
    Effort,
    Twins,
    cpu_seconds,
    interleave,
    measure,
    preparation,
    rotated,
)

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


def test_variants_take_turns_in_rotating_order():
    order, ahead = [], []
    calls = {name: (lambda name=name: order.append(name)) for name in "abc"}

    def timer(call):
        call()
        return float(len(order))

    seconds = interleave(calls, timer=timer, before=ahead.append, effort=Effort(0, 4, 4))
    timed = order[9:]  # three rounds of warm-up each
    assert "".join(timed) == "abcbcacababc"
    assert seconds == {"a": [10, 15, 17, 19], "b": [11, 13, 18, 20], "c": [12, 14, 16, 21]}
    assert ahead == order  # before every call, untimed ones too


def test_a_slow_variant_sits_out_rounds_evenly():
    order = []

    def slow():
        order.append("slow")
        time.sleep(0.02)

    calls = {"fast": lambda: order.append("fast"), "slow": slow}
    effort = Effort(seconds=0.1, fewest=4, most=40)
    seconds = interleave(calls, timer=cpu_seconds, before=lambda name: None, effort=effort)
    assert len(seconds["fast"]) == 40 and 4 <= len(seconds["slow"]) <= 5
    assert min(seconds["slow"]) >= 0.02 > max(seconds["fast"][1:])
    places = [place for place, name in enumerate(order[6:]) if name == "slow"]
    gaps = [b - a for a, b in itertools.pairwise(places)]
    assert max(gaps) - min(gaps) <= 2  # a turn of the rotation


@pytest.mark.parametrize("elements", [2**10, 2**20])
def test_a_measurement_has_every_variant_and_the_copy(elements):
    x = torch.ones(elements)
    calls = {
        "fused": Twins(lambda: x + 1, lambda: x + 1),
        "compiled": Twins(lambda: (x + 1) + 1, lambda: (x + 1) + 1),
    }
    found = measure(
        calls, elements=elements, moved_bytes=8 * elements, device=CPU, effort=Effort(0.01, 3, 5)
    )
    assert found.reused.keys() == calls.keys() and len(found.copy) in range(3, 6)
    large = elements >= 2**20 and memory.controllable()
    assert found.fresh.keys() == ({"fused"} if large else set())
    recorded = [*found.reused.values(), *found.fresh.values(), found.copy]
    assert min(map(min, recorded)) > 0
    assert found.faults.keys() == calls.keys()
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (2**10, ["call"] * 5),
        (2**16, ["flush", "twin"]),
        (2**20, ["flush", "twin"]),
        (2**24, ["flush"]),
    ],
)
def test_what_a_call_finds_in_the_caches(monkeypatch, elements, expected):
    seen = []
    monkeypatch.setattr(memory, "flusher", lambda device: lambda: seen.append("flush"))
    variants = {"a": Twins(lambda: seen.append("call"), lambda: seen.append("twin"))}
    preparation(variants, elements, CPU)("a")
    assert seen == expected


def test_rotation():
    assert ["".join(rotated(list("abc"), by)) for by in (0, 1, 5)] == ["abc", "bca", "cab"]


def test_threads_and_cores_are_given_back():
    count, cores = torch.get_num_threads(), os.sched_getaffinity(0)
    with pytest.raises(KeyError), threads(1), pinned():
        assert torch.get_num_threads() == 1
        assert len(os.sched_getaffinity(0)) == 1
        raise KeyError
    assert (torch.get_num_threads(), os.sched_getaffinity(0)) == (count, cores)
    with threads(2), pinned():
        assert os.sched_getaffinity(0) == cores


def test_a_row_tells_the_machine():
    with threads(1):
        row = machine(CPU)
    assert row["threads"] == 1 and row["device"] == "cpu" and row["processor"]
    assert row["load"] >= 0 and row["torch"] == torch.__version__


def test_a_flush_empties_the_cache():
    flush, x = memory.flusher(CPU), torch.ones(2**16)

    def seconds(before):
        found = []
        for _ in range(20):
            before()
            found.append(cpu_seconds(x.sum))
        return min(found)  # apart from what else runs

    with threads(1):
        warm, cold = seconds(x.sum), seconds(flush)
    assert cold > 1.5 * warm


FAULTS = """
import resource, torch
from benchmarks import memory
from benchmarks.measure import faults_of
x = torch.ones(2**22)  # 16 MiB
def call():
    return x + 1
def from_the_system():
    give_back()
    return call()
with memory.reused(2**26):
    print(faults_of(call))
    with memory.fresh() as give_back:
        print(faults_of(from_the_system))
with memory.reused(2**26):
    print(faults_of(call))
resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
try:
    torch.empty(10**15)
except RuntimeError:  # glibc gave the thread another heap before it refused
    with memory.reused(2**26):
        print("filled")
"""


@pytest.mark.skipif(not memory.controllable(), reason="glibc's allocator alone can be told")
def test_reused_memory_faults_no_page_and_fresh_memory_every_page():
    command = [sys.executable, "-c", FAULTS]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *counts, end = ran.stdout.split()
    reused, fresh, again = map(int, counts)
    pages = 2**24 // os.sysconf("SC_PAGE_SIZE")
    assert max(reused, again) < pages / 100
    assert fresh >= pages  # 4 KiB each: huge pages go to those who ask for them
    assert end == "filled"  # not memory without end


@pytest.mark.cuda
def test_events_agree_with_a_synchronised_clock():
    device = torch.device("cuda")
    x = torch.ones(2**28, device=device)
    timer, wall = CudaTimer(device), []
    for _ in range(5):
        torch.cuda.synchronize()
        started = time.perf_counter()
        spent = timer(lambda: x + 1)
        wall.append((spent, time.perf_counter() - started))
    spent, total = min(wall)
    assert 0.5 * total < spent <= total  # the rest is launching and waking up
