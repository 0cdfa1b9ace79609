"""Diversity of images by MS-SSIM. Odena, Olah and Shlens 2017, arXiv 1610.09585.

The mean similarity of two images drawn from one set: high where a sampler repeats itself. It says
nothing alone, only beside that of the reals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import as_tensor
from genbench.metrics.intervals import Estimate, mean, mean_estimate
from genbench.metrics.pixels import image_pair
from genbench.metrics.similarity import ms_ssim_each, scale_weights

T = TypeVar("T")


class Diversity(NamedTuple, Generic[T]):
    """Mean MS-SSIM, 0..1, between two fakes and between two reals; fakes above: less diverse."""

    fake: T
    real: T
    fake_pairs: int
    real_pairs: int


def ms_ssim_diversity(
    *,
    real: Any,
    fake: Any,
    data_range: float | None = None,
    real_labels: Any = None,
    fake_labels: Any = None,
    pairs: int = 1000,
    seed: int = 0,
) -> Diversity[float]:
    """Mean MS-SSIM over random pairs of fakes (M, C, H, W), and over pairs of reals (N, C, H, W).

    Each image is in one pair at most: at most `pairs` pairs and half of the images, drawn by
    `seed`. With labels (M,) and (N,), integers, both images of a pair have the same label, classes
    weigh by their number of images, and an image without a partner is left out. `ms_ssim` has the
    formula, the ranges of values and the rule for small images. Raises InputError as it does, for
    labels of one set alone, and for a set without a pair.
    """
    found = _values(real, fake, data_range, (real_labels, fake_labels), pairs, seed, least=1)
    return _summary(found, mean)


def ms_ssim_diversity_estimate(
    *,
    real: Any,
    fake: Any,
    data_range: float | None = None,
    real_labels: Any = None,
    fake_labels: Any = None,
    pairs: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Diversity[Estimate]:
    """`ms_ssim_diversity` with normal intervals over the pairs, which are independent: no two
    share an image. At least two pairs a set."""
    found = _values(real, fake, data_range, (real_labels, fake_labels), pairs, seed, least=2)
    return _summary(found, lambda values: mean_estimate(values, level=level))


def _summary(found: dict[str, Tensor], summary: Callable[[Tensor], T]) -> Diversity[T]:
    fake, real = found["fake"], found["real"]
    return Diversity(summary(fake), summary(real), len(fake), len(real))


def _values(
    real: Any,
    fake: Any,
    data_range: float | None,
    labels: tuple[Any, Any],
    pairs: int,
    seed: int,
    least: int,
) -> dict[str, Tensor]:
    """MS-SSIM of each pair, of the reals and of the fakes."""
    if (labels[0] is None) != (labels[1] is None):
        missing = "real_labels" if labels[0] is None else "fake_labels"
        raise InputError(f"{missing}: must be given where the other set has labels, got None")
    if pairs < least:
        raise InputError(f"pairs: must be at least {least}, got {pairs}")
    a, b, _ = image_pair(real=real, fake=fake, data_range=data_range)
    scale_weights(*a.shape[2:])  # images too small: said before any work
    found = {}
    for name, images, own in (("real", a, labels[0]), ("fake", b, labels[1])):
        first, second = disjoint_pairs(_classes(own, name, len(images)), pairs, seed)
        if len(first) < least:
            within = "" if own is None else " of one label"
            raise InputError(
                f"{name}: must hold at least {least} pairs of images{within}, got {len(first)} "
                f"in {len(images)} images"
            )
        x, y = (images[index.to(images.device)] for index in (first, second))
        found[name] = ms_ssim_each(real=x, fake=y, data_range=data_range)
    return found


def disjoint_pairs(labels: Tensor, pairs: int, seed: int) -> tuple[Tensor, Tensor]:
    """Indices (P,) and (P,) of random pairs with equal labels (N,), each index at most once."""
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=rng)
    order = order[labels[order].argsort(stable=True)]  # classes one after the other, each shuffled
    place = torch.arange(len(order))
    mine = labels[order]
    start = torch.searchsorted(mine, mine)  # of the class in which each place lies
    even = (place - start) % 2 == 0
    partnered = torch.zeros_like(even)
    partnered[:-1] = mine[1:] == mine[:-1]
    first = place[even & partnered]
    chosen = first[torch.randperm(len(first), generator=rng)[:pairs]]
    return order[chosen], order[chosen + 1]


def _classes(labels: Any, name: str, images: int) -> Tensor:
    """(N,) int64 on the CPU; one class for all where there are no labels."""
    if labels is None:
        return torch.zeros(images, dtype=torch.int64)
    found = as_tensor(labels, argument=f"{name}_labels", expected="a tensor or an array (N,)").cpu()
    if found.shape != (images,) or found.is_floating_point() or found.is_complex():
        kind = str(found.dtype).removeprefix("torch.")
        raise InputError(
            f"{name}_labels: must be {images} integers, one an image, got {kind} of shape "
            f"{tuple(found.shape)}"
        )
    return found.long()
