"""Bars of `probe`, on digits of 28 x 28, 10 labels a class: SYSTEMS's table "Autoencoders"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from genbench.data import open_dataset
from genbench.report.statistics import mean_interval
from genbench.studies.bars import conv_autoencoder
from genbench.studies.bars.bar import Bar, at_least
from genbench.studies.bars.lab import Lab
from genbench.studies.probe import fine_tune, linear_probe

DRAWS, PER_CLASS = 20, 10
OTHERS = ("autoencoder", "denoising_autoencoder", "sparse_autoencoder", "vae")
OTHER_STEPS = 500


def bars(lab: Lab) -> Iterator[Bar]:
    """Gains over 20 draws of labels, of one model a seed; accuracies of other systems beside."""
    data = open_dataset("digits", size=28)
    labels = {"per_class": PER_CLASS, "draws": DRAWS}
    probed, tuned = [], []
    for seed in lab.seeds:
        model = conv_autoencoder.train(lab, data, seed).cpu()
        probed.append(linear_probe(model, data, seed=seed, **labels))
        tuned.append(fine_tune(model, data, seed=seed, steps=lab.steps(100), **labels))
    first = lab.seeds[0]
    others = {name: lab.train(name, data, seed=first, steps=OTHER_STEPS).cpu() for name in OTHERS}
    table = {
        name: fmean(linear_probe(model, data, seed=first, **labels).code)
        for name, model in others.items()
    }
    yield at_least(
        "probe of the code above raw pixels: lower end of the 95 % interval, 20 draws",
        [_low(p.code, p.raw) for p in probed],
        0,
        raw=fmean(fmean(p.raw) for p in probed),
        conv_autoencoder=fmean(fmean(p.code) for p in probed),
        **table,
    )
    yield at_least(
        "network that starts as the encoder above one from scratch: lower end, 20 draws",
        [_low(t.initialised, t.scratch) for t in tuned],
        0,
        scratch=fmean(fmean(t.scratch) for t in tuned),
        initialised=fmean(fmean(t.initialised) for t in tuned),
    )


def _low(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The lower end of the 95 % interval of the mean gain, paired by draw."""
    interval = mean_interval(a - b for a, b in zip(ours, theirs, strict=True))
    assert interval.mean is not None and interval.half_width is not None
    return interval.mean - interval.half_width
