"""What a call finds in the caches and in the allocator: flushed caches, reused or fresh memory.

An operation that returns new tensors pays for new pages of memory, or not, as the C library
decides: glibc gives blocks of 32 MiB and more back to the system at every free and faults them in
again, page by page, which costs more than most kernels. Both ends are measured, for every variant
alike:

reused  freed memory stays in the process (mallopt: no mmap, no trim) and was written before, so
        that a call faults no page; what preallocated outputs give, for temporaries too
fresh   freed memory goes back to the system before every call (malloc_trim, mmap from 64 KiB on),
        so that every page a call touches for the first time is a fault

Neither is taken on trust: `page_faults` of a row is what the median call caused.
"""

import ctypes
import platform
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from benchmarks.machine import last_cache_bytes

# mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX
TRIM, MMAP_FROM, MMAPS = -1, -3, -4
NEVER = -1
POOL = 64 * 2**20  # bytes kept beyond what is asked for


def controllable() -> bool:
    """Whether the C library's allocator can be told what to keep, and tells what it holds: glibc's
    can, from 2.33 on."""
    return platform.libc_ver()[0] == "glibc" and hasattr(ctypes.CDLL(None), "mallinfo2")


class _Heaps(ctypes.Structure):
    """mallinfo(3): sums over all heaps."""

    _fields_ = [("arena", ctypes.c_size_t), ("others", ctypes.c_size_t * 9)]


@contextmanager
def reused(pool_bytes: int) -> Iterator[None]:
    """Freed memory stays in the process, and so much of it is there from the start; as the system
    has it where this is not controllable."""
    if not controllable():
        yield
        return
    _set({MMAPS: 0, TRIM: NEVER})
    fill(pool_bytes + POOL)
    try:
        yield
    finally:
        _set({MMAPS: 65536, TRIM: 128 * 2**10})  # glibc's defaults


def fill(pool_bytes: int) -> None:
    """Writes and frees so much memory, and all that the heaps had free before."""
    start, block, held = _heap_bytes(), 2**20, []
    # A heap grows only when no free block is left in it.
    while len(held) * block < pool_bytes or _heap_bytes() == start:
        held.append(torch.ones(block, dtype=torch.uint8))


@contextmanager
def fresh() -> Iterator[Callable[[], None]]:
    """Gives what returns all freed memory to the system; call it before each timed call.

    To be entered inside `reused`, and only where `controllable`.
    """
    _set({MMAPS: 65536, MMAP_FROM: 64 * 2**10, TRIM: 64 * 2**10})
    trim = ctypes.CDLL(None).malloc_trim
    try:
        yield lambda: trim(0)
    finally:
        _set({MMAPS: 0, TRIM: NEVER})


def page_faults() -> int:
    """Pages that this process has faulted in, without reading from a disk."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def flusher(device: torch.device) -> Callable[[], torch.Tensor]:
    """Evicts every cache of the device with twice the size of the last one."""
    if device.type == "cuda":
        last = torch.cuda.get_device_properties(device).L2_cache_size
        return torch.empty(2 * last // 4, device=device).zero_
    # Read, not written: what is timed would have to write a dirty cache back.
    return torch.zeros(2 * last_cache_bytes() // 4).sum


def copies(
    total_bytes: int, device: torch.device
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Two copies that move this many bytes each, half read and half written, to one place.

    One place: results of the other calls go to memory that was just freed, too.
    """
    sources = [torch.ones(max(total_bytes // 2, 4) // 4, device=device) for _ in range(2)]
    target = torch.ones_like(sources[0])
    return (lambda: target.copy_(sources[0])), (lambda: target.copy_(sources[1]))


def _heap_bytes() -> int:
    """What all of glibc's heaps together got from the system. The break of the process tells of one
    heap alone, which a thread leaves for good once it was asked for more than there is."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _Heaps
    return mallinfo().arena


def _set(values: dict[int, int]) -> None:
    mallopt = ctypes.CDLL(None).mallopt
    for name, value in values.items():
        if mallopt(name, value) != 1:
            raise OSError(f"mallopt({name}, {value}) was refused")
