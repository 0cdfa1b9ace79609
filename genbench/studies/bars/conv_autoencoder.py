"""Bars of `conv_autoencoder`, on digits of 28 x 28: SYSTEMS's table "Autoencoders"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genbench.data import Dataset, open_dataset
from genbench.metrics import psnr
from genbench.studies.bars.bar import Bar, at_least
from genbench.studies.bars.lab import Lab

STEPS, RATE, BATCH = 1500, 3e-3, 64
NEIGHBOURS = 5


def bars(lab: Lab) -> Iterator[Bar]:
    """Reconstructions of digits held out, and their classes among neighbours in the plane."""
    data = open_dataset("digits", size=28)
    test = data.test.all().x.to(lab.device)
    models = {seed: train(lab, data, seed) for seed in lab.seeds}
    yield at_least(
        "test PSNR, dB",
        [
            psnr(real=(test + 1) / 2, fake=(model.reconstruct(test) + 1) / 2, data_range=1)
            for model in models.values()
        ],
        25,
    )
    yield at_least(
        "class by 5 nearest neighbours on t-SNE coordinates of the 256 numbers of a code",
        [_neighbours(model, data, seed) for seed, model in models.items()],
        0.85,
    )


def train(lab: Lab, data: Dataset, seed: int) -> Any:
    """The model that is judged here and probed elsewhere."""
    return lab.train(
        "conv_autoencoder", data, seed=seed, steps=STEPS, batch_size=BATCH, learning_rate=RATE
    )


def _neighbours(model: Any, data: Dataset, seed: int) -> float:
    """Accuracy on the test digits, among training digits on one map of both."""
    import numpy as np
    from sklearn.manifold import TSNE
    from sklearn.neighbors import KNeighborsClassifier

    device = next(model.parameters()).device
    train, test = data.train.all(), data.test.all()
    assert train.labels is not None and test.labels is not None
    codes = [model.encode(x.to(device)).cpu().numpy() for x in (train.x, test.x)]
    places = TSNE(random_state=seed).fit_transform(np.concatenate(codes))
    count = len(train.x)
    known = KNeighborsClassifier(NEIGHBOURS).fit(places[:count], train.labels.numpy())
    return float(known.score(places[count:], test.labels.numpy()))
