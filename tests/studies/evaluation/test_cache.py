"""The cache of arrays: whole or absent, never trusted when damaged, and never in the way."""

import os
import random
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from genbench.studies.evaluation import cache as module
from genbench.studies.evaluation.cache import Cache, cache_key, default_folder, source_digest

ARRAYS = {
    "features": np.arange(12, dtype=np.float32).reshape(3, 4),
    "count": np.array(3, dtype=np.int64),
}
KEY = cache_key(images="abc", batch=64)


def same(found, expected=ARRAYS):
    return found is not None and {
        name: (values.dtype, values.shape, values.tobytes()) for name, values in found.items()
    } == {name: (values.dtype, values.shape, values.tobytes()) for name, values in expected.items()}


@pytest.fixture
def notes():
    return []


@pytest.fixture
def cache(tmp_path, notes):
    return Cache(tmp_path / "cache", note=notes.append)


def stored(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def test_arrays_come_back(cache, notes):
    assert cache.load(KEY) is None
    cache.save(KEY, ARRAYS)
    assert same(cache.load(KEY)) and notes == []


def test_a_key_depends_on_every_part():
    parts = {"images": "abc", "shape": (1, 8, 8), "batch": 64}
    others = [{**parts, "images": "abd"}, {**parts, "shape": (1, 8, 9)}, {**parts, "batch": 63}]
    assert len({cache_key(**each) for each in (parts, *others)}) == 4
    assert cache_key(**parts) == cache_key(**dict(reversed(parts.items())))


def test_passing_arrays_go_and_others_stay(cache, tmp_path):
    cache.save(KEY, ARRAYS)
    cache.save(other := cache_key(images="b"), ARRAYS, passing=True)
    assert same(cache.load(other))
    cache.finish([other, KEY])  # real and fake hold the same pictures: the real chunk stays
    assert cache.load(other) is None and same(cache.load(KEY))
    assert len(stored(tmp_path)) == 1


def damaged(whole: bytes, rng: random.Random) -> bytes:
    content, place = bytearray(whole), rng.randrange(len(whole))
    kind = rng.random()
    if kind < 0.7:
        content[place] ^= 1 << rng.randrange(8)
    elif kind < 0.85:
        del content[place:]
    else:
        content[place:] = rng.randbytes(rng.randrange(1, 40))
    return bytes(content)


def test_every_damage_is_noticed():
    whole, rng = module._encode(ARRAYS, KEY), random.Random(0)
    found = [module._decode(damaged(whole, rng), KEY) for _ in range(2_000)]
    # flipped spaces in the header's padding do no harm
    assert all(each is None or same(each) for each in found)
    assert sum(each is None for each in found) > 1_900


def test_a_damaged_file_is_none(cache, tmp_path, notes):
    cache.save(KEY, ARRAYS)
    (path,) = stored(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert cache.load(KEY) is None
    assert notes == [f"cache: '{path}' is damaged and is made again"]
    cache.save(KEY, ARRAYS)
    assert same(cache.load(KEY))


def test_a_renamed_file_is_not_taken_for_another(cache, tmp_path, notes):
    cache.save(KEY, ARRAYS)
    (path,) = stored(tmp_path)
    path.rename(path.with_name(f"{cache_key(images='other')}.safetensors"))
    assert cache.load(cache_key(images="other")) is None and "damaged" in notes[0]


@pytest.mark.parametrize("where", ["file", "proc"])
def test_a_folder_that_cannot_be_used_is_one_note(tmp_path, notes, where):
    (tmp_path / "file").write_text("precious")
    folder = tmp_path / "file" if where == "file" else Path("/proc/nothing")
    cache = Cache(folder, note=notes.append)
    for _ in range(3):
        assert cache.load(KEY) is None
        cache.save(KEY, ARRAYS)
    cache.finish([KEY])
    assert len(notes) == 1 and notes[0].startswith(f"cache: cannot use '{folder}' (")
    assert notes[0].endswith("; going on without it")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_full_disk_is_one_note(cache, notes, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.files, "write_bytes", full)
    cache.save(KEY, ARRAYS)
    cache.save(KEY, ARRAYS)
    assert len(notes) == 1 and "No space left on device" in notes[0]


def test_the_oldest_go_first_when_there_is_too_much(cache, tmp_path, monkeypatch):
    keys = [cache_key(images=number) for number in range(4)]
    for number, key in enumerate(keys):
        cache.save(key, ARRAYS)
        os.utime(tmp_path / "cache" / "kept" / f"{key}.safetensors", (number, number))
    assert same(cache.load(keys[0]))  # used just now: the youngest
    size = stored(tmp_path)[0].stat().st_size
    monkeypatch.setattr(module, "LIMIT_BYTES", 2 * size)
    cache.finish([])
    assert [same(cache.load(key)) for key in keys] == [True, False, False, True]


def test_what_killed_writers_left_goes_after_an_hour(cache, tmp_path):
    cache.save(KEY, ARRAYS)
    old, young = (tmp_path / "cache" / "kept" / f".{name}.1.tmp" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    before = time.time() - 4_000
    os.utime(old, (before, before))
    cache.finish([])
    assert not old.exists() and young.exists()  # another evaluation may be writing it


def test_two_at_once(tmp_path, notes):
    keys = [cache_key(images=number) for number in range(40)]

    def work():
        mine = Cache(tmp_path / "cache", note=notes.append)
        for key in keys:
            if mine.load(key) is None:
                mine.save(key, ARRAYS, passing=True)
        mine.finish(keys)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notes == [] and stored(tmp_path) == []


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_folder() == tmp_path / "own"
    monkeypatch.delenv("GENBENCH_CACHE")
    assert default_folder() == tmp_path / "xdg" / "genbench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "genbench"


def test_sources_have_a_digest_by_room():
    data, metrics, both = (
        source_digest(*rooms) for rooms in (["data"], ["metrics"], ["data", "metrics"])
    )
    assert len({data, metrics, both, source_digest()}) == 4
