"""Metrics of images themselves, as `genbench evaluate` calls them; images are read as needed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genbench.metrics.diversity import disjoint_pairs
from genbench.metrics.image_quality import psnr_each
from genbench.metrics.intervals import Estimate, mean, mean_estimate
from genbench.metrics.similarity import ms_ssim_each, ssim_each
from genbench.studies.evaluation.evidence import Evidence, Side
from genbench.studies.evaluation.extraction import chunks
from genbench.studies.evaluation.verdicts import Measured, Verdict

PAIRS = 1000  # of images within a set


def psnr(e: Evidence) -> Verdict:
    """Of pairs, in dB."""
    values = _pair_by_pair(e, "PSNR", psnr_each)
    equal = int(values.isinf().sum())
    note = f"; infinite (null) by {equal} pairs of equal images" if equal else ""
    return Verdict({"psnr": _mean(values, e.level)}, f"dB, mean over pairs of 8-bit images{note}")


def ssim(e: Evidence) -> Verdict:
    """Of pairs, -1..1."""
    values = _pair_by_pair(e, "SSIM", ssim_each)
    return Verdict(
        {"ssim": _mean(values, e.level)},
        "mean over pairs of 8-bit images; 11 x 11 Gaussian window, sigma 1.5, no padding",
    )


def ms_ssim(e: Evidence) -> Verdict:
    """Of pairs, 0..1."""
    values = _pair_by_pair(e, "MS-SSIM", ms_ssim_each)
    return Verdict(
        {"ms_ssim": _mean(values, e.level)},
        "mean over pairs of 8-bit images; up to five scales, as many as hold the 11 x 11 window",
    )


def ms_ssim_diversity(e: Evidence) -> Verdict:
    """Of random pairs within each set; only the images of these pairs are read."""
    scores = {}
    for side in (e.fake, e.real):
        first, second = disjoint_pairs(torch.zeros(len(side), dtype=torch.int64), PAIRS, 0)
        drawn, place = torch.cat([first, second]).unique(return_inverse=True)
        images = torch.cat([_read(side, i, i + 1) for i in drawn.tolist()])
        x, y = images[place[: len(first)]], images[place[len(first) :]]
        scores[side.role] = _mean(ms_ssim_each(real=x, fake=y), e.level)
    real = scores["real"]
    return Verdict(
        {"ms_ssim_diversity": scores["fake"], "ms_ssim_diversity_real": real},
        f"mean MS-SSIM of at most {PAIRS} random pairs of fakes, and of reals beside it; pairs "
        "share no image",
        {"ms_ssim_diversity": real.value if isinstance(real, Estimate) else real},
    )


def _pair_by_pair(e: Evidence, name: str, each: Callable[..., Tensor]) -> Tensor:
    """(N,) float64: each(real=, fake=) of all pairs; memory: one chunk of both."""
    found, total = [], len(e.real)
    for start, stop in chunks(e.real.samples):
        found.append(each(real=_read(e.real, start, stop), fake=_read(e.fake, start, stop)))
        e.told(f"{name}: pairs")(stop, total)
    return torch.cat(found)


def _read(side: Side, start: int, stop: int) -> Tensor:
    """(n, C, H, W) uint8 on the evaluation's device."""
    return torch.from_numpy(side.samples.read(start, stop)).to(side.setting.device)


def _mean(values: Tensor, level: float | None) -> Measured:
    return mean(values) if level is None else mean_estimate(values, level=level)
