"""Stacked digits: a thousand modes, told apart by a reader whose own errors are in the floor."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genbench.data.seeded import DigitSource
from genbench.data.stacked import CLASSES, StackedDigits, held_out_digits, read_mnist
from genbench.metrics.bins import count_different
from genbench.metrics.extractors.digits import open_digits
from genbench.metrics.mode_law import HELD_SHARE
from genbench.metrics.neighbours import precision_recall
from genbench.studies.tasks.base import Scores, complete, mean_scores
from genbench.studies.tasks.mixtures import TRIALS
from genbench.studies.tasks.reader import RECIPE, Reader, digits_reader, train_reader
from genbench.studies.tasks.reals import NEIGHBOURS, near_rows

MODES = CLASSES**3
SAMPLES = 26_000  # the published count; 2,500 cannot visit more than 918 of 1000
_BLOCK = 2_048  # samples read at once
_FILLED = 260_000  # reals that fill the thousand bins
_PLACES = torch.tensor([CLASSES**2, CLASSES, 1])


class StackedTask:
    """Three digits drawn independently as channels, (3, H, W) in [-1, 1].

    data: what generators imitate. judged: digits that the floor is measured on; neither has
    taught the reader. taught: what teaches it, None: the classifier that comes along. reader, with
    taught_digest: one that was taught before.
    """

    least_samples = SAMPLES
    scale = 1.0  # images stay in [-1, 1]

    def __init__(
        self,
        name: str,
        data: StackedDigits,
        judged: StackedDigits,
        *,
        taught: StackedDigits | None = None,
        reader: Reader | None = None,
        taught_digest: str | None = None,
    ) -> None:
        self.name, self.data, self.judged = name, data, judged
        self._taught, self._given = taught, reader
        known = open_digits().digest if taught is None else f"{RECIPE} {taught.digest}"
        self._taught_digest = taught_digest or known
        parts = ("stacked", data.digest, judged.digest, self._taught_digest)
        self.digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()
        self.data_shape = data.shape
        self.sample = data.sample
        self._floors: dict[int, Scores] = {}

    @property
    def source(self) -> DigitSource:
        """The same triples as `sample`, from a seed."""
        return self._source

    @cached_property
    def _source(self) -> DigitSource:
        return DigitSource(self.data)

    @cached_property
    def reader(self) -> Reader:
        """What tells classes apart; trained when first asked for."""
        if self._given is not None:
            return self._given
        return digits_reader() if self._taught is None else train_reader(self._taught)

    def score(self, samples: Tensor) -> Scores:
        """Every score of samples (N, 3, H, W); values beyond [-1, 1] are cut off."""
        # block by block: float64 copies of 26,000 pictures of 28x28 take 500 MB each
        parts = [
            self.reader(((block.clamp(-1, 1) + 1) / 2).flatten(0, 1))  # (3 B, H, W)
            for block in samples.split(_BLOCK)
        ]
        features, classes = (torch.cat(part) for part in zip(*parts, strict=True))
        return complete(self._scores(classes.view(-1, 3), features.view(len(samples), -1)))

    def floor(self, n: int) -> Scores:
        """The mean over ten draws of n triples of real digits that the reader has not seen."""
        if n not in self._floors:
            rng = torch.Generator().manual_seed(1)
            fresh = [self._of_reals(self.judged.pick(n, rng)) for _ in range(TRIALS)]
            self._floors[n] = complete(mean_scores(fresh))
        return dict(self._floors[n])

    def modes(self) -> int:
        """1000."""
        return MODES

    def arrays(self) -> dict[str, np.ndarray]:
        """Digits and their labels; a trained reader's weights."""
        arrays = {"images": self.data.images.numpy(), "labels": self.data.labels.numpy()}
        if self._taught is None and self._given is None:
            return arrays
        return {
            **arrays,
            "judged_images": self.judged.images.numpy(),
            "judged_labels": self.judged.labels.numpy(),
            "taught": np.array(self._taught_digest),
            **{f"reader/{name}": value for name, value in self.reader.arrays().items()},
        }

    @classmethod
    def from_arrays(cls, name: str, arrays: dict[str, np.ndarray]) -> StackedTask:
        """The task of `arrays`; raises ValueError where a reader's weights were changed."""
        data = _digits(arrays, "")
        if "taught" not in arrays:
            return cls(name, data, data)
        weights = {k.removeprefix("reader/"): v for k, v in arrays.items() if "/" in k}
        reader, judged = Reader.from_arrays(weights), _digits(arrays, "judged_")
        return cls(name, data, judged, reader=reader, taught_digest=str(arrays["taught"]))

    @property
    def conventions(self) -> dict[str, str]:
        """How each score is meant."""
        right = (self._read[1] == self.judged.labels).double().mean().item()
        return {
            "modes": f"triples of classes, of {MODES}, that a sample is read as",
            "modes_held": "triples with at least a fifth of their share",
            "kl": "nats, shares of triples against equal shares",
            "different_bins": f"of the {MODES} triples those whose share differs from that of "
            f"{_FILLED} real ones as read (two-proportion z-test, .05)",
            "precision, recall, density, coverage": f"k = {NEIGHBOURS}, the reader's features of "
            f"the first {self._near} samples against {self._near} real ones",
            "reader": f"reads {right:.4f} of {len(self.judged.labels)} digits right that it has "
            "not learned from; generators learn from others than it did",
            "floor": "real triples, read by the same reader: its errors are in it",
        }

    @property
    def _near(self) -> int:
        return near_rows(3 * self._read[0].shape[1])

    @cached_property
    def _read(self) -> tuple[Tensor, Tensor]:
        """Features (N, width) and classes (N,) of the judged digits as the reader reads them."""
        return self.reader(self.judged.images.double() / 255)

    @cached_property
    def _reals(self) -> tuple[Tensor, Tensor]:
        """Counts (1000,) of fixed real triples, and features (M, 3 width) of others."""
        rng = torch.Generator().manual_seed(int(self.digest[:15], 16))
        features, classes = self._read
        filled = classes[self.judged.pick(_FILLED, rng)]
        near = features[self.judged.pick(self._near, rng)].flatten(1)
        return _counts(filled), near

    def _of_reals(self, picked: Tensor) -> dict[str, float]:
        features, classes = self._read
        return self._scores(classes[picked], features[picked].flatten(1))

    def _scores(self, classes: Tensor, features: Tensor) -> dict[str, float]:
        """Of classes (N, 3) and features (N, 3 width)."""
        counts, (filled, near) = _counts(classes), self._reals
        p = counts / counts.sum()
        judged = precision_recall(real=near, fake=features[: len(near)], k=NEIGHBOURS)
        return {
            "modes": int((counts > 0).sum()),
            "modes_held": int((counts >= HELD_SHARE * counts.sum() / MODES).sum()),
            "kl": torch.special.xlogy(p, p * MODES).sum().item(),
            "different_bins": count_different(real=filled, fake=counts),
            **judged._asdict(),
        }


def stacked_digits(name: str = "stacked-digits") -> StackedTask:
    """Digits of scikit-learn that the classifier which comes along has not learned from."""
    held_out = held_out_digits()
    return StackedTask(name, held_out, held_out)


def stacked_mnist(folder: Path, name: str = "stacked-mnist") -> StackedTask:
    """A user's MNIST: even training digits teach the reader, odd ones generators, t10k the floor.

    Raises InputError, one line, for files that are missing or damaged.
    """
    train, test = read_mnist(folder, "train"), read_mnist(folder, "test")
    even, odd = (StackedDigits(train.images[k::2], train.labels[k::2]) for k in (0, 1))
    return StackedTask(name, odd, test, taught=even)


def _counts(classes: Tensor) -> Tensor:
    """(1000,) float64: how often each triple of classes (N, 3) comes."""
    return torch.bincount((classes * _PLACES).sum(dim=1), minlength=MODES).double()


def _digits(arrays: dict[str, np.ndarray], prefix: str) -> StackedDigits:
    images, labels = (torch.from_numpy(arrays[f"{prefix}{n}"]) for n in ("images", "labels"))
    return StackedDigits(images, labels)
