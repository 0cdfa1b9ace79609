"""Codebooks that follow their codes' means. van den Oord et al. 2017, arXiv 1711.00937, appendix A.

Razavi et al. 2019, arXiv 1906.00446, equations 3 and 4: code k's count and total move towards a
batch's by 1 - decay, e_k is total over count. A code that is hardly used is put onto a vector of
the batch, as in Dhariwal et al. 2020, arXiv 2005.00341, section 3.1, so that none stays behind.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genbench import ops

RARE = 0.05  # of its even share of the vectors: a code used less is put elsewhere


class Quantiser(nn.Module):
    """Nearest of `size` codes: (n, width, height, columns) -> the same shape, straight through.

    A call in training keeps what the batch says of the codes; `move` lets them follow, so that a
    loss taken twice is the same twice. Codes have no gradient.
    """

    codes: Tensor  # (size, width)
    count: Tensor  # (size,)
    total: Tensor  # (size, width)
    batch_count: Tensor  # (size,)
    batch_total: Tensor  # (size, width)
    spare: Tensor  # (size, width): vectors of the batch

    def __init__(self, size: int, width: int, *, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("codes", torch.empty(size, width).uniform_(-1 / size, 1 / size))
        for name in ("total", "batch_total", "spare"):
            self.register_buffer(name, torch.zeros(size, width))
        for name in ("count", "batch_count"):
            self.register_buffer(name, torch.zeros(size))

    def nearest(self, z: Tensor) -> Tensor:
        """z (n, width, height, columns) -> int64 (n, height, columns), numbers of codes."""
        rows = z.movedim(1, -1)
        # |z - e|^2 less |z|^2, which no code changes
        return (self.codes.square().sum(1) - 2 * rows @ self.codes.T).argmin(-1)

    def look_up(self, index: Tensor) -> Tensor:
        """int64 (n, height, columns) -> codes (n, width, height, columns)."""
        return self.codes[index].movedim(-1, 1)

    def forward(self, z: Tensor, seed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes with z's gradient, the commitment |z - e|^2 (), and perplexity () of the codes."""
        index = self.nearest(z)
        e = self.look_up(index)
        hot = (index.unsqueeze(-1) == torch.arange(len(self.codes), device=z.device)).to(z)
        self._keep(z.detach().movedim(1, -1).flatten(0, 2), hot.flatten(0, 2), seed)
        share = hot.flatten(0, 2).mean(0)
        perplexity = (-(share * share.clamp(min=1e-12).log()).sum()).exp()
        return z + (e - z).detach(), (z - e.detach()).square().mean(), perplexity

    @torch.no_grad()
    def _keep(self, rows: Tensor, hot: Tensor, seed: Tensor) -> None:
        """rows (N, width) and which code each took, hot (N, size)."""
        self.batch_count.copy_(hot.sum(0))
        self.batch_total.copy_(hot.T @ rows)
        drawn = ops.uniform((len(self.codes),), seed=seed) * len(rows)
        # a float32 just below 1 may round to the number of rows
        self.spare.copy_(rows[drawn.long().clamp(max=len(rows) - 1)])

    @torch.no_grad()
    def move(self) -> None:
        """The codes follow what the last batch said."""
        self.count.lerp_(self.batch_count, 1 - self.decay)
        self.total.lerp_(self.batch_total, 1 - self.decay)
        even = self.batch_count.mean()
        # at the start counts are 0: codes that a first batch does not use are put onto it
        rare = self.count <= RARE * self.count.mean()
        self.count.copy_(torch.where(rare, even, self.count))
        self.total.copy_(torch.where(rare[:, None], even * self.spare, self.total))
        self.codes.copy_(self.total / self.count[:, None])
