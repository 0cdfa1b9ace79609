"""The noise by NumPy: Philox in unsigned 64-bit products, Box-Muller as a complex number."""

import functools
import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor


def split(elements: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """Block and place in it of each element; -1 is 2^64 - 1, and 2^64 comes after it."""
    if isinstance(elements, np.ndarray):
        return elements >> np.uint64(2), (elements & np.uint64(3)).astype(int)
    unsigned = [e + 2**64 if e < 0 else e for e in map(int, elements)]
    blocks = np.array([e // 4 for e in unsigned], dtype=np.uint64)
    return blocks, np.array([e % 4 for e in unsigned], dtype=int)


def words(key: int, block: np.ndarray, lane: np.ndarray, stream: int = 0) -> np.ndarray:
    """One 32-bit word an element."""
    low = np.uint64(2**32 - 1)
    full = [np.full_like(block, (stream >> shift) % 2**32) for shift in (0, 32)]
    state = [block & low, block >> np.uint64(32), *full]
    keys = [np.uint64(key % 2**64 % 2**32), np.uint64(key % 2**64 // 2**32)]
    for turn in range(10):
        k = [
            (int(word) + turn * bump) % 2**32
            for word, bump in zip(keys, (0x9E3779B9, 0xBB67AE85), strict=True)
        ]
        a, b = state[0] * np.uint64(0xD2511F53), state[2] * np.uint64(0xCD9E8D57)
        state = [
            (b >> np.uint64(32)) ^ state[1] ^ np.uint64(k[0]),
            b & low,
            (a >> np.uint64(32)) ^ state[3] ^ np.uint64(k[1]),
            a & low,
        ]
    return np.stack(state)[lane, np.arange(len(block))]


def uniform(key: int, elements: Iterable[int], stream: int = 0) -> np.ndarray:
    return (words(key, *split(elements), stream).astype(np.float64) + 0.5) / 2**32


def normal(key: int, elements: Iterable[int], stream: int = 0) -> np.ndarray:
    """The real part on even elements, the imaginary on odd ones."""
    block, lane = split(elements)
    word, angle = (words(key, block, at, stream).astype(float) for at in (lane & ~1, lane | 1))
    # 1 - u is exact, and its log1p keeps the digits that log(u) loses near u = 1
    radius = np.sqrt(-2 * np.log1p(-(2.0**32 - word - 0.5) / 2**32))
    z = radius * np.exp(2j * math.pi * (angle + 0.5) / 2**32)
    return np.where(lane % 2 == 1, np.imag(z), np.real(z))


LAWS = {"uniform": uniform, "normal": normal}


@functools.lru_cache(maxsize=4096)
def _drawn(law: str, count: int, key: int, first: int, stream: int) -> Tensor:
    elements = np.uint64(first % 2**64) + np.arange(count, dtype=np.uint64)
    return torch.from_numpy(LAWS[law](key, elements, stream))


def noise(law: str, shape: Sequence[int], seed: Tensor | None, stream: int = 0) -> Tensor:
    """float64 noise of `shape` for a seed [key] or [key, first element]. Read only: it is kept."""
    assert seed is not None
    key, *first = (int(word) for word in seed)
    count = math.prod(shape)
    return _drawn(law, count, key, first[0] if first else 0, stream).reshape(shape)
