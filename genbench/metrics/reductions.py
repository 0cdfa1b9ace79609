"""Sums whose bits depend neither on the number of threads nor on the BLAS behind torch.

A BLAS may split a reduction by its threads, and LAPACK's blocks follow theirs: eigenvalues of a
512 x 512 matrix differ in the last bits between one and two threads. Here every reduction runs on
one thread in a fixed order; parallel are only tiles of a result that do not touch each other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

TILE = 512  # columns: 2 MiB of float64 a tile; smaller ones run at half the speed
_LOCK = threading.RLock()  # torch's thread count is global
_BEFORE: list[int] = []  # thread counts to give back, the outermost first


@contextmanager
def single_threaded() -> Iterator[int]:
    """torch computes on one thread; gives the number it has outside. Decorates functions too."""
    with _LOCK:
        _BEFORE.append(torch.get_num_threads())
        torch.set_num_threads(1)
        try:
            yield _BEFORE[0]
        finally:
            torch.set_num_threads(_BEFORE.pop())


def add_gram(sums: Tensor, rows: Tensor) -> None:
    """sums (d, d) += rows' rows, of rows (n, d); only tiles on and above the diagonal."""
    starts = range(0, rows.shape[1], TILE)
    tiles = [(i, j) for i in starts for j in starts if i <= j]

    def add(tile: tuple[int, int]) -> None:
        a, b = (slice(start, start + TILE) for start in tile)
        sums[a, b].addmm_(rows[:, a].T, rows[:, b])

    with single_threaded() as threads:
        if threads == 1 or len(tiles) == 1 or rows.device.type != "cpu":
            for tile in tiles:
                add(tile)
            return
        with ThreadPoolExecutor(min(threads, len(tiles))) as pool:
            list(pool.map(add, tiles))


@single_threaded()
def gram(rows: Tensor) -> Tensor:
    """rows' rows (d, d), exactly symmetric, of rows (n, d) float64."""
    sums = rows.new_zeros(rows.shape[1], rows.shape[1])
    add_gram(sums, rows)
    return symmetric(sums)


@single_threaded()
def symmetric(upper: Tensor) -> Tensor:
    """The symmetric matrix (d, d) that has these entries on and above the diagonal."""
    return upper.triu() + upper.triu(1).T
