"""A seed for what draws from torch's global generators, which stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Inside, what draws from torch's global generator (initialisers, dropout) draws from `seed`;
    outside, that generator is untouched."""
    # torch.random.fork_rng does the same for every device in 100 us; two a step are a tenth of it
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)
