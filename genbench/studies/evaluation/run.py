"""How good generated samples are against real ones: any metrics, one row."""

from __future__ import annotations

import json
import math
import os
import platform
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genbench import files
from genbench.data.samples import Samples, open_samples
from genbench.errors import InputError
from genbench.metrics.extractors import Extractor, open_extractor
from genbench.metrics.extractors.contract import check_device
from genbench.metrics.intervals import Estimate
from genbench.ops.backend import active
from genbench.report.stages import Stages
from genbench.studies.cells import code_version
from genbench.studies.evaluation.cache import Cache, default_folder
from genbench.studies.evaluation.evidence import Evidence, Setting, Side
from genbench.studies.evaluation.inputs import check_heeded, check_inputs, chosen_metrics
from genbench.studies.evaluation.judges import JUDGES
from genbench.studies.evaluation.known_modes import open_modes
from genbench.studies.evaluation.verdicts import ONE_SET, USE_FEATURES, Measured, Need, Verdict

PathLike = str | os.PathLike[str]
LEVEL = 0.95
SAME = "real and fake are the same samples (sha256 {digest}): the scores are those of a copy"


def evaluate(
    *,
    real: PathLike,
    fake: PathLike,
    metrics: Sequence[str] | None = None,
    features: PathLike | None = None,
    modes: PathLike | None = None,
    k: int | None = None,
    level: float | None = None,
    drop_non_finite: bool = False,
    size: int | None = None,
    value_range: str = "auto",
    weights: PathLike | None = None,
    trust: bool = False,
    device: str = "cpu",
    batch_size: int = 64,
    cache: PathLike | None = None,
    progress: Stages | None = None,
) -> dict[str, Any]:
    """Judge the samples in `fake` against those in `real`; returns the row, JSON values only.

    real, fake: paths for `open_samples`, which has size and value_range. metrics: as `genbench
    metrics` lists them; default: what is cheap. features: the extractor for images, default
    "inception", with weights and trust (`open_extractor`). modes: for mode_coverage and
    mode_spread, a mixture's name or an .npz with means and sigma. k: neighbours; default: each
    metric's. level: of intervals, None without. drop_non_finite: leave out and count rows with NaN
    or infinity. cache: folder for features of images and moments of real samples.

    The row has each score by key (torch-fidelity's for Inception features; None: no number), and
    metrics, conventions, perfect, intervals, level, real, fake, extractor, versions, device,
    threads, warnings, seconds. Raises InputError, one line, for bad input.
    """
    started, stages = time.monotonic(), progress or Stages()
    asked = chosen_metrics(metrics)
    check_device(device)
    sides = {
        role: open_samples(path, argument=role, value_range=value_range, size=size)
        for role, path in (("real", real), ("fake", fake))
    }
    names = check_inputs(asked, sides, features=features, modes=modes, level=level)
    check_heeded(names, sides, k=k, size=size, weights=weights)
    chosen = "inception" if features is None else features
    extractor = _extractor(names, sides, chosen, weights=weights, trust=trust, device=device)
    setting = Setting(
        extractor=extractor,
        inception=extractor is not None and str(chosen) == "inception",
        cache=Cache(Path(cache) if cache else default_folder(), note=stages.note),
        stages=stages,
        device=device,
        batch_size=batch_size,
        probabilities=any(JUDGES[name].needs == Need.PROBABILITIES for name in names),
        drop_non_finite=drop_non_finite,
    )
    known = None if modes is None else open_modes(modes)
    both = (Side(role, samples, setting) for role, samples in sides.items())
    row = _judged(names, Evidence(*both, k=k, level=level, modes=known))
    return {**row, "seconds": round(time.monotonic() - started, 3)}


def _judged(names: Sequence[str], evidence: Evidence) -> dict[str, Any]:
    """The row without its time. A fake set's chunks go when it is there, and not before."""
    setting = evidence.fake.setting
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)  # in every row, not in a process's first
            verdicts = {}
            for number, name in enumerate(names):
                setting.stages.advance("metrics", number, len(names))
                verdicts[name] = JUDGES[name].judge(evidence)
            compared = {JUDGES[name].needs for name in names} - ONE_SET
            if compared and evidence.real.digest == evidence.fake.digest:
                warnings.warn(SAME.format(digest=evidence.real.digest[:12]), stacklevel=1)
            row = _row(evidence, verdicts)
    finally:
        setting.stages.close()
    setting.cache.finish(evidence.fake.passing_keys)
    told = list(dict.fromkeys(str(warning.message) for warning in caught))
    for line in told:
        warnings.warn(line, stacklevel=3)
    return {**row, "warnings": told}


def write_row(path: Path, row: dict[str, Any]) -> None:
    """Replace `path` by the row as JSON; InputError where it cannot be written."""
    try:
        files.write_text(path, json.dumps(row, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"out: cannot write '{path}' ({error.strerror or error})") from error


def _extractor(
    names: Sequence[str], sides: dict[str, Samples], features: PathLike, **options: Any
) -> Extractor | None:
    """The extractor where a metric asks for features of images."""
    images = any(samples.kind == "images" for samples in sides.values())
    needs = {JUDGES[name].needs for name in names}
    if not images or needs.isdisjoint(USE_FEATURES):
        return None
    extractor = open_extractor(features, **options)
    if Need.PROBABILITIES in needs and sides["fake"].kind == "images":
        first = extractor(torch.from_numpy(sides["fake"].read(0, 1)))
        if first.probabilities is None:
            raise InputError(
                f"metrics: inception_score needs class probabilities, and '{extractor.name}' "
                "gives none; --features digits does, or an array probabilities beside features"
            )
    return extractor


def _row(evidence: Evidence, verdicts: dict[str, Verdict]) -> dict[str, Any]:
    scores = {key: score for v in verdicts.values() for key, score in v.scores.items()}
    extractor = evidence.real.setting.extractor
    return {
        **{key: _finite(_value(score)) for key, score in scores.items()},
        **{key: x for v in verdicts.values() for key, x in v.details.items()},
        "metrics": {name: list(verdict.scores) for name, verdict in verdicts.items()},
        "conventions": {name: verdict.conventions for name, verdict in verdicts.items()},
        "perfect": {key: x for v in verdicts.values() for key, x in v.perfect.items()},
        "intervals": {
            key: [_finite(score.low), _finite(score.high)]
            for key, score in scores.items()
            if isinstance(score, Estimate)
        },
        "level": evidence.level,
        "real": evidence.real.about(),
        "fake": evidence.fake.about(),
        "extractor": extractor
        and {
            "name": extractor.name,
            "digest": extractor.digest,
            "conventions": extractor.conventions,
            "batch_size": evidence.real.setting.batch_size,
        },
        "versions": {
            "genbench": code_version(active()),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "device": evidence.real.setting.device,
        "threads": torch.get_num_threads(),
    }


def _value(score: Measured) -> float:
    return score.value if isinstance(score, Estimate) else float(score)


def _finite(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if math.isfinite(value) else None
