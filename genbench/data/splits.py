"""Rows of one part of a data set: kept as levels or vectors, handed out as models see them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.protocol import Examples


@dataclass(frozen=True)
class Split:
    """Rows of one part of a data set.

    x: (N, C, H, W) uint8 levels 0 .. levels - 1, or (N, d) floating. labels: int64 (N,).
    condition: floating, N rows. captions: a text for each row. levels: of pictures, else None.
    """

    x: Tensor
    labels: Tensor | None = None
    condition: Tensor | None = None
    captions: tuple[str, ...] | None = None
    levels: int | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Of one row."""
        return tuple(self.x.shape[1:])

    def take(self, rows: Tensor | slice, dtype: torch.dtype = torch.float32) -> Examples:
        """Those rows as models see them: levels become numbers in [-1, 1]."""
        x = self.x[rows]
        if self.levels is not None:
            # half types would round every level on the way
            wide = torch.promote_types(dtype, torch.float32)
            x = x.to(wide) * (2 / (self.levels - 1)) - 1
        return Examples(
            x.to(dtype),
            None if self.labels is None else self.labels[rows],
            None if self.condition is None else self.condition[rows].to(dtype),
        )

    def all(self, dtype: torch.dtype = torch.float32) -> Examples:
        """Every row."""
        return self.take(slice(None), dtype)

    def to(self, device: torch.device | str) -> Split:
        """The same rows on another device."""
        held = (None if t is None else t.to(device) for t in (self.labels, self.condition))
        return Split(self.x.to(device), *held, captions=self.captions, levels=self.levels)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        held = (self.x, self.labels, self.condition)
        return sum(t.numel() * t.element_size() for t in held if t is not None)
