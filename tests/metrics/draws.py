"""What tests of metrics draw, and how often they draw examples."""

import torch
from hypothesis import settings

FLOAT64 = torch.float64
# an example costs several calls of a millisecond each
fewer = settings(max_examples=settings().max_examples // 5)


def normal(n, d, seed, dtype=FLOAT64):
    """(n, d) standard normal."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def rotation(d, seed):
    """(d, d) orthogonal."""
    return torch.linalg.qr(normal(d, d, seed))[0]
