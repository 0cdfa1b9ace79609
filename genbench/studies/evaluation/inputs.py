"""What `genbench evaluate` is given: metrics by name, two sets that match."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from genbench.catalog import unknown_name
from genbench.data.samples import Samples
from genbench.errors import InputError
from genbench.metrics import ALIASES
from genbench.report.scores import contents
from genbench.studies.evaluation.judges import JUDGES
from genbench.studies.evaluation.verdicts import Need

PathLike = str | os.PathLike[str]
Sides = Mapping[str, Samples]
NEIGHBOURLY = {"precision_recall", "knn_divergence"}  # whose k may be chosen
_CHEAP = ("frechet_distance", "kernel_distance", "precision_recall")


def chosen_metrics(metrics: Sequence[str] | None) -> list[str]:
    """Full names, each once, in the order given; InputError for an unknown name."""
    names = [ALIASES.get(name, name) for name in metrics or ()]
    for asked, name in zip(metrics or (), names, strict=True):
        if name not in JUDGES:
            raise unknown_name("metrics", asked, [*JUDGES, *ALIASES])
    return list(dict.fromkeys(names))


def check_inputs(
    names: Sequence[str],
    sides: Sides,
    *,
    features: PathLike | None,
    modes: PathLike | None,
    level: float | None,
) -> list[str]:
    """The metrics to compute: `names`, or what is cheap; InputError for one these sets lack."""
    _check_kinds(sides, features)
    names = list(names) or _default_metrics(sides)
    for name in names:
        needs = JUDGES[name].needs
        if not _given(needs, sides, modes):
            held = " and ".join(
                f"{role} with {contents(samples.kind, len(samples), samples.shape)}"
                for role, samples in sides.items()
            )
            raise InputError(f"metrics: {name} needs {needs}; got {held}")
    if modes is not None and not {"mode_coverage", "mode_spread"} & set(names):
        raise InputError("modes: only mode_coverage and mode_spread use them; add to --metrics")
    moments = [role for role, samples in sides.items() if samples.kind == "moments"]
    if level is not None and moments:
        raise InputError(f"interval: {moments[0]} holds moments, which give none")
    return names


def check_heeded(names: Sequence[str], sides: Sides, *, k: int | None, **pictures: object) -> None:
    """InputError for an option that changes nothing: `pictures` are those that only images heed."""
    given = [option for option, value in pictures.items() if value is not None]
    if given and all(samples.kind != "images" for samples in sides.values()):
        raise InputError(
            f"{given[0]}: only images heed it, and neither set holds any; leave it out"
        )
    if k is not None and not NEIGHBOURLY & set(names):
        raise InputError(
            f"k: only {' and '.join(sorted(NEIGHBOURLY))} heed it, got {', '.join(names)}"
        )


def _default_metrics(sides: Sides) -> list[str]:
    if any(samples.kind == "moments" for samples in sides.values()):
        return ["frechet_distance"]
    return [name for name in _CHEAP if name in JUDGES]


def _check_kinds(sides: Sides, features: PathLike | None) -> None:
    """InputError unless both hold the same kind, of one width or number of channels."""
    real, fake = sides["real"], sides["fake"]
    kinds = {real.kind, fake.kind}
    if kinds == {"images", "features"}:
        raise InputError(
            f"real and fake: must both be images or both be features, got {real.kind} in "
            f"'{real.path}' and {fake.kind} in '{fake.path}'"
        )
    if features is not None and "images" not in kinds:
        raise InputError(
            f"features: real and fake hold {' and '.join(sorted(kinds))}, which need no extractor; "
            f"leave out --features {features}"
        )
    if kinds == {"images"} and real.shape[0] != fake.shape[0]:
        raise InputError(
            f"real and fake: must have as many channels, got {real.shape[0]} in '{real.path}' and "
            f"{fake.shape[0]} in '{fake.path}'; save both as grey or both as RGB"
        )
    if kinds == {"images"} and str(features) == "raw" and real.shape != fake.shape:
        raise InputError(
            f"real and fake: raw needs images of one size, got {_size(real)} and {_size(fake)}; "
            "--size N makes both N x N"
        )
    if "images" not in kinds and real.shape != fake.shape:
        raise InputError(
            f"real and fake: must have the same width, got {real.shape[-1]} and {fake.shape[-1]}"
        )


def _given(needs: str, sides: Sides, modes: PathLike | None) -> bool:
    real, fake = sides["real"], sides["fake"]
    kinds = {real.kind, fake.kind}
    if needs == Need.PROBABILITIES:
        return fake.kind == "images" or fake.extra("probabilities") is not None
    if needs == Need.LOG_PROB:
        return real.extra("log_prob") is not None
    if needs in (Need.PAIRS, Need.IMAGES):
        alike = kinds == {"images"} and real.shape == fake.shape
        return alike and (needs == Need.IMAGES or len(real) == len(fake))
    if needs == Need.MODES:
        return fake.kind == "features" and modes is not None
    return needs == Need.MOMENTS or "moments" not in kinds


def _size(samples: Samples) -> str:
    return f"{samples.shape[1]} x {samples.shape[2]}"
