"""Damaged and harmful data sets: one clear line each, nothing run, little memory, no hang."""

import gzip
import tracemalloc
from pathlib import Path

import pytest
from cifar_files import archive, files, write
from hostile import HOSTILE, MARKER
from hostile_bytes import EDITS, edited
from hostile_datasets import HOSTILE_SETS
from hypothesis import given, settings

from genbench.data import open_dataset
from genbench.errors import InputError


@pytest.mark.parametrize("name", HOSTILE_SETS)
def test_one_clear_line(tmp_path, name):
    make, expected = HOSTILE_SETS[name]
    named = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            open_dataset(named)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(caught.value)
    assert line.startswith("data: ") and expected in line
    assert line.isprintable() and len(line) < 400 + len(str(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before  # nothing is run, nothing extracted
    assert peak < 2**25  # a few times the pieces that archives are read in


def test_what_samples_refuse_is_refused_as_data(tmp_path):
    """Every file and folder of `hostile`, named as data."""
    accepted = []
    for name, (make, _) in HOSTILE.items():
        (tmp_path / name).mkdir()
        path = make(tmp_path / name)
        try:
            open_dataset(path)
            accepted.append(name)
        except InputError as error:
            assert str(error).startswith("data: ") and str(error).isprintable()
        assert not (tmp_path / name / MARKER).exists()
    assert accepted == []


def mutated(folder: Path, contents: dict[str, bytes], place) -> None:
    """Opens what `place` makes of an edited content: it opens, or one line says why not."""
    refused = []

    @settings(max_examples=120)
    @given(EDITS)
    def mutate(edits):
        for name, content in contents.items():
            try:
                open_dataset(place(name, edited(content, edits)))
            except InputError as error:
                assert str(error).startswith("data: ") and str(error).isprintable()
                refused.append(name)

    mutate()
    assert len(refused) > 30  # the edits do damage
    assert not list(folder.rglob(MARKER))


def test_mutated_pickles_and_binaries(tmp_path):
    found = files("cifar100", "python", n=1) | files("cifar100", "binary", n=1)
    for name in ("train", "meta", "test.bin"):
        write(tmp_path / name, files("cifar100", "binary" if "." in name else "python", n=1))

    def place(name: str, content: bytes) -> str:
        (tmp_path / name / name).write_bytes(content)
        return f"cifar100={tmp_path / name}"

    mutated(tmp_path, {name: found[name] for name in ("train", "meta", "test.bin")}, place)


def test_mutated_archives(tmp_path):
    path = tmp_path / "x.tar.gz"
    good = archive("cifar100", "binary")

    def place(name: str, content: bytes) -> str:
        path.write_bytes(gzip.compress(content, 1) if name == "tar" else content)
        return f"cifar100={path}"

    mutated(tmp_path, {"tar": gzip.decompress(good), "gzip": good}, place)
