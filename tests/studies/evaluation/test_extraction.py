"""Extraction by chunks: what was made once is read again, and only where nothing changed."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from genbench.data.samples import open_samples
from genbench.errors import InputError
from genbench.metrics.extractors import Extracted
from genbench.studies.evaluation import extraction
from genbench.studies.evaluation.cache import Cache
from genbench.studies.evaluation.extraction import Images, content_digest, extract


class Sums:
    """Row sums as features; counts the images it has seen."""

    name = "sums"
    digest = "1"
    conventions: dict[str, str] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, images: Tensor) -> Extracted:
        self.seen.append(len(images))
        features = images.flatten(1).float()[:, :3]
        return Extracted(features, features.softmax(dim=1))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(extraction, "CHUNK", 8)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)


@pytest.fixture
def array(tmp_path, pixels):
    np.save(tmp_path / "pictures.npy", pixels)
    return tmp_path / "pictures.npy"


@pytest.fixture
def folder(tmp_path, pixels):
    (tmp_path / "pictures").mkdir()
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{number:02d}.png")
    return tmp_path / "pictures"


@pytest.fixture
def notes():
    return []


@pytest.fixture
def cache(tmp_path, notes):
    return Cache(tmp_path / "cache", note=notes.append)


def run(path, cache, extractor, **options):
    settings = {"batch_size": 3, "device": "cpu", "probabilities": False, **options}
    return extract(Images(open_samples(path), extractor, **settings), cache, passing=False)


def chunk_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "kept").glob("*.safetensors"), key=os.path.getmtime)


def test_features_are_the_extractors_in_order(array, cache, pixels):
    extractor = Sums()
    found, keys = run(array, cache, extractor)
    assert np.array_equal(found.features, pixels.reshape(30, 16)[:, :3].astype(np.float32))
    assert found.probabilities is None
    # chunks of 8, each in batches of 3
    assert extractor.seen == [3, 3, 2] * 3 + [3, 3] and len(set(keys)) == 4


def test_probabilities_on_request(array, cache):
    found, _ = run(array, cache, Sums(), probabilities=True)
    again, _ = run(array, cache, Sums(), probabilities=True)
    assert found.probabilities is not None and found.probabilities.shape == (30, 3)
    assert np.allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)  # float32
    assert again.probabilities is not None
    assert np.array_equal(found.probabilities, again.probabilities)


def test_a_second_time_nothing_is_extracted(array, cache):
    first, keys = run(array, cache, Sums())
    second, again = run(array, cache, extractor := Sums())
    assert extractor.seen == [] and again == keys
    assert np.array_equal(first.features, second.features)


def test_a_changed_picture_is_noticed_and_it_alone(folder, cache, pixels):
    run(folder, cache, Sums())
    path = folder / "12.png"
    status = path.stat()
    Image.fromarray(pixels[13]).save(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # its time tells nothing
    found, _ = run(folder, cache, extractor := Sums())
    assert extractor.seen == [3, 3, 2]  # the second chunk
    assert np.array_equal(found.features[12], found.features[13])


def test_whatever_changes_features_changes_the_key(array, cache):
    class Other(Sums):
        digest = "2"

    run(array, cache, Sums())
    for extractor, options in (
        (Other(), {}),
        (Sums(), {"batch_size": 4}),
        (Sums(), {"probabilities": True}),
    ):
        run(array, cache, extractor, **options)
        assert sum(extractor.seen) == 30


def test_values_read_by_another_rule_are_others(tmp_path, cache):
    path = tmp_path / "floating.npy"
    np.save(path, np.linspace(0, 1, 10 * 16, dtype=np.float32).reshape(10, 4, 4))
    settings = {"batch_size": 3, "device": "cpu", "probabilities": False}
    for rule in ("unit", "symmetric"):
        samples = open_samples(path, value_range=rule)
        extract(Images(samples, extractor := Sums(), **settings), cache, passing=False)
        assert sum(extractor.seen) == 10


def test_a_damaged_chunk_is_made_again(array, cache, tmp_path, notes):
    first, _ = run(array, cache, Sums())
    path = chunk_files(tmp_path)[1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found, _ = run(array, cache, extractor := Sums())
    assert sum(extractor.seen) == 8 and len(notes) == 1
    assert np.array_equal(found.features, first.features)


def test_batch_sizes(array, cache):
    for batch_size in (0, 9):
        with pytest.raises(InputError, match=f"batch_size: must be in 1..8, got {batch_size}"):
            run(array, cache, Sums(), batch_size=batch_size)
    whole = [run(array, cache, Sums(), batch_size=size)[0].features for size in (1, 5, 8)]
    assert all(np.array_equal(whole[0], other) for other in whole)


def test_progress_counts_images(array, cache):
    told = []
    settings = {"batch_size": 3, "device": "cpu", "probabilities": False}
    images = Images(open_samples(array), Sums(), **settings)
    extract(images, cache, passing=False, progress=lambda done, of: told.append((done, of)))
    assert told == [(0, 30), (8, 30), (16, 30), (24, 30), (30, 30)]


def test_a_content_digest_depends_on_every_row(tmp_path, pixels):
    digests = []
    for row in (None, 0, 17, 29):
        changed = pixels.copy()
        if row is not None:
            changed[row, 0, 0] ^= 1
        np.save(tmp_path / "x.npy", changed)
        digests.append(content_digest(open_samples(tmp_path / "x.npy")))
    assert len(set(digests)) == 4
