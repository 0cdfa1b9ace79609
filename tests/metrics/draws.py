"""What tests of metrics draw, and how often they draw examples."""

import torch
from hypothesis import settings

from genbench.metrics import pixels

FLOAT64 = torch.float64
# an example costs several calls of a millisecond each
fewer = settings(max_examples=settings().max_examples // 5)


def normal(n, d, seed, dtype=FLOAT64):
    """(n, d) standard normal."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def rotation(d, seed):
    """(d, d) orthogonal."""
    return torch.linalg.qr(normal(d, d, seed))[0]


def scored_in_many_ways(metric, a, b, monkeypatch):
    """Scores of pictures a, b (n, c, h, w) in [0, 1] at one and two threads, in another layout and
    as an array, picture by picture, and in small blocks."""
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(metric(real=a, fake=b, data_range=1.0))
    torch.set_num_threads(1)
    channels_last = a.to(memory_format=torch.channels_last)
    found.append(metric(real=channels_last, fake=b.numpy(), data_range=1))
    pairs = zip(a.split(1), b.split(1), strict=True)
    found.append(torch.cat([metric(real=x, fake=y, data_range=1) for x, y in pairs]))
    monkeypatch.setattr(pixels, "_BLOCK_VALUES", 20_000)
    found.append(metric(real=a, fake=b, data_range=1.0))
    return found
