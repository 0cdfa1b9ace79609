"""Sums whose bits depend neither on the number of threads nor on the BLAS behind torch.

A BLAS may split a reduction by its threads, and LAPACK's blocks follow theirs: eigenvalues of a
512 x 512 matrix differ in the last bits between one and two threads. Here every reduction runs on
one thread in a fixed order; parallel are only tiles of a result that do not touch each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

# Columns: with 256 products are slower, with 512 more entries below the diagonal are computed too.
TILE = 384
Item = TypeVar("Item")
Result = TypeVar("Result")
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

    def add(a: slice, b: slice) -> None:
        sums[a, b].addmm_(rows[:, a].T, rows[:, b])

    tiles = _tiles(rows.shape[1])
    _each(add, [(a, b) for a in tiles for b in tiles if a.start <= b.start], rows.device)


def product(a: Tensor, b: Tensor) -> Tensor:
    """a'b (n, m) of a (d, n), b (d, m); half the work where both are lower triangular."""
    found = a.new_empty(a.shape[1], b.shape[1])
    # what stands above the diagonal of a tile is zero in a factor, and need not be read
    triangular = is_lower(a) and is_lower(b)

    def fill(i: slice, j: slice) -> None:
        first = max(i.start, j.start) if triangular else 0
        torch.mm(a[first:, i].T, b[first:, j], out=found[i, j])

    pairs = [(i, j) for i in _tiles(a.shape[1]) for j in _tiles(b.shape[1])]
    _each(fill, pairs, a.device)
    return found


def is_lower(matrix: Tensor) -> bool:
    """Whether the tiles above the diagonal of a square matrix are zero."""
    if matrix.shape[0] != matrix.shape[1]:
        return False
    return not any(matrix[tile, tile.stop :].any() for tile in _tiles(len(matrix)))


def asymmetry(matrix: Tensor) -> float:
    """Largest |x_ij - x_ji|, tile by tile: a transposed pass over (d, d) misses every cache."""
    tiles = _tiles(len(matrix))
    pairs = [(matrix[a, b], matrix[b, a].T) for a in tiles for b in tiles if a.start <= b.start]
    return max((x - y).abs().max().item() for x, y in pairs)


def _tiles(columns: int) -> list[slice]:
    return [slice(i, min(i + TILE, columns)) for i in range(0, columns, TILE)]


def _each(
    job: Callable[[slice, slice], object],
    tiles: Sequence[tuple[slice, slice]],
    device: torch.device,
) -> None:
    """Does the job on every tile, each on one thread."""
    for _ in in_order(lambda tile: job(*tile), tiles, device):
        pass


def in_order(
    job: Callable[[Item], Result], items: Sequence[Item], device: torch.device
) -> Iterator[Result]:
    """job(item) of every item in their order; each on one thread, on the CPU several at once."""
    with single_threaded() as threads:
        if threads == 1 or len(items) < 2 or device.type != "cpu":
            yield from map(job, items)
            return
        with ThreadPoolExecutor(min(threads, len(items))) as pool:
            yield from pool.map(job, items)


@single_threaded()
def gram(rows: Tensor) -> Tensor:
    """rows' rows (d, d), exactly symmetric, of rows (n, d) float64."""
    sums = rows.new_zeros(rows.shape[1], rows.shape[1])
    add_gram(sums, rows)
    return symmetric(sums)


@single_threaded()
def symmetric(upper: Tensor) -> Tensor:
    """The symmetric matrix (d, d) that has these entries on and above the diagonal."""
    found = upper.clone()
    tiles = _tiles(len(upper))
    for i, a in enumerate(tiles):
        found[a, a] = upper[a, a].triu() + upper[a, a].triu(1).T
        for b in tiles[i + 1 :]:
            found[b, a] = upper[a, b].T
    return found
