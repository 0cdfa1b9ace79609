"""Features of a set of images, chunk by chunk: what a killed extraction has made is used again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from genbench.data.samples import Samples
from genbench.errors import InputError
from genbench.files import sha256
from genbench.metrics.extractors import Extractor
from genbench.studies.evaluation.cache import Arrays, Cache, cache_key, source_digest

CHUNK = 256  # images: half a minute of Inception on two cores is the most that a kill loses


class Extraction(NamedTuple):
    """features (n, d) float32; probabilities (n, classes) float32, or None where not asked for."""

    features: np.ndarray
    probabilities: np.ndarray | None


class Images(NamedTuple):
    """A set of images, and how its features are made."""

    samples: Samples
    extractor: Extractor
    batch_size: int
    device: str  # the extractor's: it sees to the transfers
    probabilities: bool  # whether a classifier's output is wanted too

    def key(self, start: int, stop: int) -> str:
        """What the features of these rows depend on."""
        return cache_key(
            images=self.samples.digest(start, stop),
            extractor=self.extractor.digest,
            batch_size=self.batch_size,
            probabilities=self.probabilities,
            code=source_digest("metrics/extractors", "data"),
            torch=torch.__version__,
            device=torch.device(self.device).type,
        )


def chunks(samples: Samples) -> Iterator[tuple[int, int]]:
    """(start, stop) of each chunk."""
    for start in range(0, len(samples), CHUNK):
        yield start, min(start + CHUNK, len(samples))


def content_digest(samples: Samples) -> str:
    """SHA-256 of a set's contents: of the chunks' digests, in order."""
    if len(samples) == 0:  # moments
        return samples.digest(0, 0)
    return sha256("".join(samples.digest(*rows) for rows in chunks(samples)).encode())


def extract(
    images: Images,
    cache: Cache,
    *,
    passing: bool,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Extraction, list[str]]:
    """Features of all images, and the keys of their chunks; chunks in `cache` are not made again.

    passing: keep the chunks until `Cache.finish` only. progress: called with the number of images
    done and their total. Memory: the result and one chunk.
    """
    if not 1 <= images.batch_size <= CHUNK:
        raise InputError(f"batch_size: must be in 1..{CHUNK}, got {images.batch_size}")
    total, keys, whole = len(images.samples), [], {}
    progress(0, total)
    for start, stop in chunks(images.samples):
        keys.append(key := images.key(start, stop))
        arrays = cache.load(key)
        if arrays is None:
            arrays = _extract_chunk(images, start, stop)
            cache.save(key, arrays, passing=passing)
        for name, values in arrays.items():
            if name not in whole:
                whole[name] = np.empty((total, *values.shape[1:]), values.dtype)
            whole[name][start:stop] = values
        progress(stop, total)
    return Extraction(whole["features"], whole.get("probabilities")), keys


def _extract_chunk(images: Images, start: int, stop: int) -> Arrays:
    pixels = torch.from_numpy(images.samples.read(start, stop))  # uint8 (n, C, H, W)
    parts = [images.extractor(batch) for batch in pixels.split(images.batch_size)]
    arrays = {"features": torch.cat([part.features for part in parts]).numpy()}
    if images.probabilities:
        given = [part.probabilities for part in parts if part.probabilities is not None]
        arrays["probabilities"] = torch.cat(given).numpy()
    return arrays
