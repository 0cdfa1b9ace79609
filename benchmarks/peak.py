"""Peak memory of a call, beyond what the process held before it."""

import ctypes
import gc
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak(NamedTuple):
    """What a call returned, its seconds, and the bytes it held at its peak; None: not known."""

    result: Any
    seconds: float
    extra_bytes: int | None


def peak(call: Callable[[], Any]) -> Peak:
    """Calls once. The kernel's own high-water mark of resident memory is reset before, after freed
    memory went back to the system; elsewhere than on Linux there is none."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    before = _reset()
    started = time.perf_counter()
    result = call()
    spent = time.perf_counter() - started
    return Peak(result, spent, None if before is None else max(0, _status("VmHWM") - before))


def _reset() -> int | None:
    """Resident bytes, from which the high-water mark now counts."""
    try:
        CLEAR.write_text("5")
        return _status("VmRSS")
    except OSError:
        return None


def _status(name: str) -> int:
    lines = (line.split() for line in STATUS.read_text().splitlines())
    return next(int(words[1]) * 1024 for words in lines if words[0] == f"{name}:")
