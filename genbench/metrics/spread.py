"""How widely samples spread within the modes of a known mixture.

A generator that puts every sample on a mode's centre scores 100 % high quality; its spread is 0.
"""

from __future__ import annotations

import math
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from genbench.metrics.intervals import Estimate, normal_estimate, within
from genbench.metrics.mode_law import HELD_SHARE, ModeLaw, Modes, assigned, mode_law

T = TypeVar("T")


class ModeSpread(NamedTuple, Generic[T]):
    """spread: of all held modes together; least, most: the smallest and the largest of one mode.

    Standard deviations over those of a perfect sampler: 1 is right, 0 a collapse onto centres.
    """

    spread: T
    least: T
    most: T


class _Sums(NamedTuple):
    """Of the high-quality samples of held modes, K of them: all (K,) float64.

    squares, fourth: sums of squared distances to their own mean, and of the squares of these.
    expected: what squares is for a perfect sampler, (counts - 1) variances.
    """

    squares: Tensor
    expected: Tensor
    fourth: Tensor
    counts: Tensor
    variances: Tensor


def mode_spread(samples: Any, mixture: Modes) -> ModeSpread[float]:
    """Standard deviation of the high-quality samples (N, D) of each held mode over the right one.

    s_k^2 = sum |x - mean|^2 / (n_k - 1) over the n_k high-quality samples of mode k; a perfect
    sampler's v_k is that of a Gaussian cut off at the radius of high quality, smaller than
    sigma^2 d (`mode_law.mode_law`). spread = sqrt(sum (n_k - 1) s_k^2 / sum (n_k - 1) v_k) over the
    modes that hold a fifth of their weight and two samples; least and most: sqrt(s_k^2 / v_k).
    NaN where there is no such mode. Arguments and errors are those of `mode_coverage`.
    """
    sums = _sums(samples, mixture, mode_law(mixture))
    return ModeSpread(*(_ratio(sums, part).value for part in _parts(sums)))


def mode_spread_estimate(
    samples: Any, mixture: Modes, *, level: float = 0.95
) -> ModeSpread[Estimate]:
    """`mode_spread` with normal intervals: by the delta method, samples taken as independent.

    least and most: the interval of that one mode, chosen as if it had been known before.
    """
    sums = _sums(samples, mixture, mode_law(mixture))
    return ModeSpread(*(_ratio(sums, part, level) for part in _parts(sums)))


def _sums(samples: Any, mixture: Modes, law: ModeLaw) -> _Sums:
    modes = len(mixture.means)
    blocks = [(offset[mode < modes], mode) for offset, mode in assigned(samples, mixture)]
    every = torch.cat([mode for _, mode in blocks])
    mode = every[every < modes]
    offset = torch.cat([rows for rows, _ in blocks])
    counts = torch.bincount(mode, minlength=modes).double()
    device = offset.device
    mean = torch.zeros(modes, offset.shape[1], dtype=torch.float64, device=device)
    mean = mean.index_add_(0, mode, offset) / counts.clamp(min=1)[:, None]
    squared = (offset - mean[mode]).square_().sum(dim=1)
    zeros = torch.zeros(modes, dtype=torch.float64, device=device)
    second, fourth = (zeros.index_add(0, mode, x) for x in (squared, squared.square()))
    held = ((counts >= HELD_SHARE * len(every) / modes) & (counts >= 2)).cpu()
    counts, second, fourth = (x.cpu()[held] for x in (counts, second, fourth))
    variances = law.variances[held]
    return _Sums(second, (counts - 1) * variances, fourth, counts, variances)


def _parts(sums: _Sums) -> list[list[int]]:
    """Which modes spread, least and most are taken of."""
    if len(sums.counts) == 0:
        return [[], [], []]
    ratio = sums.squares / sums.expected
    return [list(range(len(ratio))), [int(ratio.argmin())], [int(ratio.argmax())]]


def _ratio(sums: _Sums, part: list[int], level: float = 0.95) -> Estimate:
    """sqrt of the sums' ratio q; the error of q is that of a ratio of means, from the residuals
    r^2 - q v of the squared distances r^2."""
    if not part:
        return Estimate(math.nan, math.nan, math.nan, math.nan)
    squares, expected, fourth, counts, variances = (x[part] for x in sums)
    q = (squares.sum() / expected.sum()).item()
    residuals = fourth - 2 * q * variances * squares + q * q * variances.square() * counts
    error = math.sqrt(max(residuals.sum().item(), 0.0)) / expected.sum().item()
    spread = math.sqrt(q)
    found = normal_estimate(spread, error / (2 * spread) if q > 0 else 0.0, level=level)
    return within(found, 0.0, math.inf)
