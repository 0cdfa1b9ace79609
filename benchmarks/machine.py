"""The machine a figure depends on, and holding a measurement to one core of it."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import genbench
from genbench.ops.backend import build_info


def machine(device: torch.device) -> dict[str, Any]:
    """What a figure depends on besides the code, as it stands in every row."""
    info = build_info() or {}
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "genbench": genbench.__version__,
        "instruction_set": info.get("instruction set in use"),
        "compiler": info.get("compiler"),
        "load": round(os.getloadavg()[0], 2),
    }


def processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def last_cache_bytes() -> int:
    """Size of the last cache of this processor, 32 MiB where the system does not say."""
    sizes = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    units = {"K": 2**10, "M": 2**20}
    found = [path.read_text().strip() for path in sizes]
    known = [int(size[:-1]) * units[size[-1]] for size in found if size[-1:] in units]
    return max(known, default=32 * 2**20)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch computes with `count` threads; before compiling, for Inductor writes code for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def pinned() -> Iterator[None]:
    """With one thread: stays on one core, where the system can do that. Compile before: the
    compiler's processes inherit it."""
    if torch.get_num_threads() > 1 or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})  # the first core serves most interrupts
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
