"""A folder of arrays, each file named by the hash of what it was made from.

A file is whole or absent, and carries the SHA-256 of its arrays: one that does not match is made
again. Files of generated samples lie apart (`passing`) and go when their evaluation is done; a
killed evaluation leaves them, so that the next one goes on from there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as dump_arrays

from genbench import files

LIMIT_BYTES = 8 * 2**30  # kept after an evaluation: some twenty real sets of 50,000 x 2048
_ABANDONED_S = 3600.0  # a temporary file this old belongs to a killed process

Arrays = dict[str, np.ndarray]


def default_folder() -> Path:
    """$GENBENCH_CACHE, else $XDG_CACHE_HOME/genbench, else ~/.cache/genbench."""
    if own := os.environ.get("GENBENCH_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "genbench"


class Cache:
    """Arrays by key; where the folder cannot be used, one note says so and nothing is kept."""

    def __init__(self, folder: Path, *, note: Callable[[str], None]) -> None:
        self.folder, self._note = folder, note
        self._written: list[Path] = []
        self._usable = True

    def load(self, key: str) -> Arrays | None:
        """The arrays kept under `key`; None where there are none, or where they are damaged."""
        for path in (self._path(key, passing=False), self._path(key, passing=True)):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                self._give_up(error)
                return None
            arrays = _decode(content, key)
            if arrays is not None:
                with contextlib.suppress(OSError):  # read-only: its age does not matter then
                    os.utime(path)  # the oldest in use go first
                return arrays
            self._note(f"cache: '{path}' is damaged and is made again")
        return None

    def save(self, key: str, arrays: Mapping[str, np.ndarray], *, passing: bool = False) -> None:
        """Keep `arrays` under `key`; `passing`: until `finish`."""
        if not self._usable:
            return
        path = self._path(key, passing=passing)
        try:
            files.write_bytes(path, _encode(arrays, key))
        except OSError as error:
            self._give_up(error)

    def finish(self, passing_keys: list[str]) -> None:
        """Remove passing files of these keys, what killed processes left, and what is too much."""
        try:
            for key in passing_keys:
                self._path(key, passing=True).unlink(missing_ok=True)
            self._trim()
        except OSError as error:
            self._give_up(error)

    def _trim(self) -> None:
        now, found = time.time(), []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):  # another evaluation removed it
                status = path.stat()
                if path.suffix == ".tmp" and now - status.st_mtime > _ABANDONED_S:
                    path.unlink()
                elif path.suffix == ".safetensors":
                    found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= LIMIT_BYTES:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _path(self, key: str, *, passing: bool) -> Path:
        return self.folder / ("passing" if passing else "kept") / f"{key}.safetensors"

    def _give_up(self, error: OSError) -> None:
        if self._usable:
            why = error.strerror or error
            self._note(f"cache: cannot use '{self.folder}' ({why}); going on without it")
        self._usable = False


def cache_key(**parts: object) -> str:
    """SHA-256 of named JSON values."""
    return files.sha256(json.dumps(parts, sort_keys=True).encode())


@cache
def source_digest(*rooms: str) -> str:
    """SHA-256 of the Python sources of rooms, such as "data": what they make depends on them."""
    package = Path(__file__).parents[2]
    sources = sorted(path for room in rooms for path in (package / room).rglob("*.py"))
    return files.sha256(b"".join(path.read_bytes() for path in sources))


def _digest(arrays: Mapping[str, np.ndarray], key: str) -> str:
    """Over key, names, types, shapes and values: a renamed file is not taken for another."""
    shapes = {name: [str(a.dtype), list(a.shape)] for name, a in sorted(arrays.items())}
    digest = hashlib.sha256(json.dumps([key, shapes]).encode())
    for name in shapes:
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _encode(arrays: Mapping[str, np.ndarray], key: str) -> bytes:
    return dump_arrays(dict(arrays), metadata={"sha256": _digest(arrays, key)})


def _decode(content: bytes, key: str) -> Arrays | None:
    try:
        arrays = load_arrays(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        whole = header["__metadata__"]["sha256"] == _digest(arrays, key)
    except (SafetensorError, ValueError, KeyError, TypeError):
        return None
    return arrays if whole else None
