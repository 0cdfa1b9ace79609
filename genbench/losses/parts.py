"""What combines with an objective: penalties, labels and remedies, each with its paper's number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from genbench.catalog import Entry

_PENALTIES = "genbench.losses.penalties:"
_LABELS = "genbench.losses.labels:"
_REMEDIES = "genbench.losses.remedies:"


@dataclass(frozen=True)
class Part(Entry):
    """A line of PARTS; a name that ends in N takes a whole number there, as in "packing4".

    kind: "penalty" (a term of the critic's loss), "label" (targets of the critic's loss) or
    "remedy" (kept by the model that trains). between: a strength after "=" lies strictly inside;
    None: it takes none. default: the strength without "="; None: that of the whole loss.
    least: the smallest N. bounds_critic: it bounds the critic's slope, as clipping does.
    """

    kind: str = "penalty"
    between: tuple[float, float] | None = (0.0, math.inf)
    default: float | None = None
    least: int | None = None
    bounds_critic: bool = False


def _penalty(name: str, line: str) -> Part:
    return Part(_PENALTIES + name, line, bounds_critic=True)


def _label(name: str, line: str, between: tuple[float, float] | None, default: float) -> Part:
    return Part(_LABELS + name, line, kind="label", between=between, default=default)


def _switch(target: str, line: str, bounds_critic: bool = False) -> Part:
    return Part(target, line, kind="remedy", between=None, bounds_critic=bounds_critic)


def _counted(target: str, line: str, least: int) -> Part:
    return Part(target, line, kind="remedy", between=None, least=least)


PARTS = {
    "r1": _penalty("r1", "zero-centred, at real points; Mescheder 2018"),
    "r2": _penalty("r2", "zero-centred, at generated points; Mescheder 2018"),
    "gp": _penalty("gp", "one-centred, between both; Gulrajani 2017"),
    "gp_one_sided": _penalty("gp_one_sided", "only slopes above 1, between both; Petzka 2018"),
    "dragan": _penalty("dragan", "one-centred, around real points; Kodali 2017"),
    "label_smoothing": _label(
        "label_smoothing", "real target .9, one-sided; Salimans 2016", (0.5, 1.0), 0.9
    ),
    "noisy_labels": _label(
        "noisy_labels", "real targets in [.7, .9], fake ones in [0, .3]; Chintala 2016", None, 0.0
    ),
    "flips": _label(
        "flips", "labels swapped with probability .05; Chintala 2016", (0.0, 0.5), 0.05
    ),
    "instance_noise": Part(
        _REMEDIES + "add_instance_noise",
        "Gaussian of std .1 on the critic's points, falling to 0 over the run; Sonderby 2016",
        kind="remedy",
        default=0.1,
    ),
    "spectral_norm": _switch(
        "genbench.nets.spectral:normalise", "the critic's layers have norm 1; Miyato 2018", True
    ),
    "minibatch_std": _switch(
        "genbench.nets.minibatch:MinibatchStd", "the critic sees its batch's spread; Karras 2018"
    ),
    "packingN": _counted(
        "genbench.nets.minibatch:pack", "the critic sees N points at once; Lin 2018", 2
    ),
    "criticN": _counted(
        _REMEDIES + "Remedies", "N critic steps before each generator step; Goodfellow 2014", 1
    ),
    "unrolledN": _counted(
        _REMEDIES + "Remedies", "the generator looks N critic steps ahead; Metz 2017", 1
    ),
    "dropout": Part(
        "genbench.nets.dropout:SeededDropout",
        "in the generator with probability .5, also when sampling; Isola 2017",
        kind="remedy",
        between=(0.0, 1.0),
        default=0.5,
    ),
    "uniform_latent": _switch(
        _REMEDIES + "Remedies", "latents uniform on [-1, 1]; Goodfellow 2014, Radford 2016"
    ),
}
