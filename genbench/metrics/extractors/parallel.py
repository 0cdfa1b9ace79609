"""Runs a network over images so that neither the batch nor the number of threads changes a bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def each_on_one_thread(function: Callable[[Tensor], T], blocks: Iterable[Tensor]) -> list[T]:
    """function(block) for every block, as many at once as torch has threads, each on one.

    torch splits a convolution's sums by the number of threads it is given; given one, and the same
    block, it always sums in the same order.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return [function(block) for block in blocks]
    torch.set_num_threads(1)  # what threads that start from here are given
    try:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(function, blocks))
    finally:
        torch.set_num_threads(threads)
