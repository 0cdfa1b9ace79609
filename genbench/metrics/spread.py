"""How widely samples spread within the modes of a known mixture.

A generator that puts every sample on a mode's centre scores 100 % high quality; its spread is 0.
"""

from __future__ import annotations

import math
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from genbench.metrics.intervals import Estimate, normal_estimate, within
from genbench.metrics.mode_law import HELD_SHARE, Modes, Tally, assigned, mode_law, tally
from genbench.metrics.modes import ModeCoverage, coverage_of

T = TypeVar("T")


class ModeSpread(NamedTuple, Generic[T]):
    """spread: of all held modes together; least, most: the smallest and the largest of one mode.

    Standard deviations over those of a perfect sampler: 1 is right, 0 a collapse onto centres.
    """

    spread: T
    least: T
    most: T


class _Held(NamedTuple):
    """The modes that are held, h of them; all (h,) float64 but `number` (h,) int64.

    squares: sums of squared distances of high-quality samples to their own mean. expected: what
    these are for a perfect sampler, (counts - 1) variances.
    """

    number: Tensor
    counts: Tensor
    squares: Tensor
    expected: Tensor
    variances: Tensor


def mode_spread(samples: Any, mixture: Modes) -> ModeSpread[float]:
    """Standard deviation of the high-quality samples (N, D) of each held mode over the right one.

    s_k^2 = sum |x - mean|^2 / (n_k - 1) over the n_k high-quality samples of mode k; a perfect
    sampler's v_k is that of a Gaussian cut off at the radius of high quality, smaller than
    sigma^2 d (`mode_law.mode_law`). spread = sqrt(sum (n_k - 1) s_k^2 / sum (n_k - 1) v_k) over the
    modes that hold a fifth of their weight and two samples; least and most: sqrt(s_k^2 / v_k).
    NaN where there is no such mode. Arguments and errors are those of `mode_coverage`.
    """
    return _spread(tally(samples, mixture), mixture)


def coverage_and_spread(samples: Any, mixture: Modes) -> tuple[ModeCoverage[float], ModeSpread]:
    """`mode_coverage` and `mode_spread` in one pass over the samples."""
    found = tally(samples, mixture)
    return coverage_of(found.counts, mixture), _spread(found, mixture)


def mode_spread_estimate(
    samples: Any, mixture: Modes, *, level: float = 0.95
) -> ModeSpread[Estimate]:
    """`mode_spread` with normal intervals: by the delta method, samples taken as independent.

    least and most: the interval of that one mode, chosen as if it had been known before.
    """
    found = tally(samples, mixture)
    value, held = _spread(found, mixture), _held(found, mixture)
    if len(held.number) == 0:
        return ModeSpread(*[Estimate(math.nan, math.nan, math.nan, math.nan)] * 3)
    second, fourth = _moments(samples, mixture, found)
    ratio = held.squares / held.expected
    parts = (range(len(ratio)), [int(ratio.argmin())], [int(ratio.argmax())])
    return ModeSpread(
        *(
            _estimate(v, [part[list(rows)] for part in (*held, second, fourth)], level)
            for v, rows in zip(value, parts, strict=True)
        )
    )


def _held(found: Tally, mixture: Modes) -> _Held:
    counts = found.counts[:-1]
    enough = (counts >= HELD_SHARE * found.counts.sum() / len(counts)) & (counts >= 2)
    number = enough.nonzero()[:, 0]
    counts, sums, squares = (part[number] for part in found)
    # about their own mean; rounding must not leave less than nothing
    squares = (squares - sums.square().sum(dim=1) / counts).clamp(min=0.0)
    variances = mode_law(mixture).variances[number]
    return _Held(number, counts, squares, (counts - 1) * variances, variances)


def _spread(found: Tally, mixture: Modes) -> ModeSpread[float]:
    held = _held(found, mixture)
    if len(held.number) == 0:
        return ModeSpread(math.nan, math.nan, math.nan)
    ratio = (held.squares / held.expected).sqrt()
    pooled = math.sqrt((held.squares.sum() / held.expected.sum()).item())
    return ModeSpread(pooled, ratio.min().item(), ratio.max().item())


def _moments(samples: Any, mixture: Modes, found: Tally) -> tuple[Tensor, Tensor]:
    """(h,) sums of the squared distances of held modes' samples to their own mean, and of the
    squares of these."""
    own = mixture.means + found.sums[:-1] / found.counts[:-1, None].clamp(min=1)
    sums = [torch.zeros(len(own) + 1, dtype=torch.float64) for _ in range(2)]
    own = torch.cat([own, own[:1]])  # a row for those of no mode
    for x, mode in assigned(samples, mixture):
        squared = (x - own.to(x.device)[mode]).square_().sum(dim=1)
        for total, values in zip(sums, (squared, squared.square()), strict=True):
            total += torch.zeros_like(total, device=x.device).index_add_(0, mode, values).cpu()
    number = _held(found, mixture).number
    return sums[0][number], sums[1][number]


def _estimate(spread: float, part: list[Tensor], level: float) -> Estimate:
    """The error of q = spread^2 is that of a ratio of means, from the residuals r^2 - q v of the
    squared distances r^2."""
    _, counts, _, expected, variances, second, fourth = part
    q = spread**2
    residuals = fourth - 2 * q * variances * second + q * q * variances.square() * counts
    error = math.sqrt(max(residuals.sum().item(), 0.0)) / expected.sum().item()
    error = error / (2 * spread) if spread > 0 else 0.0
    return within(normal_estimate(spread, error, level=level), 0.0, math.inf)
