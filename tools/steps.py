"""Steps that run again only when their inputs changed or what they left is gone."""

import contextlib
import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from machine import Failure


class Step(NamedTuple):
    """One thing to have: its key changes with its inputs; `make` returns what `whole` looks for."""

    name: str
    title: str
    key: str
    make: Callable[[], Any]
    whole: Callable[[Any], bool]


def digest(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file, by its path below root; contents, for a checkout changes every time."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.is_file()
    }


def recall(path: Path) -> dict[str, Any]:
    """A JSON object written earlier; empty where there is none or it is not whole."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}


def remember(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON object so that a kill leaves the old one or the new one."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values))
    partial.replace(path)


def is_done(step: Step, folder: Path) -> bool:
    """Whether a step was done for these inputs, and what it left is still there."""
    stamp = recall(folder / f"{step.name}.done.json")
    return stamp.get("key") == step.key and step.whole(stamp["left"])


def do(step: Step, folder: Path) -> None:
    """Run one step and write down in a folder that it is done, last."""
    stamp = folder / f"{step.name}.done.json"
    with contextlib.suppress(FileNotFoundError):
        stamp.unlink()
    try:
        with progress(step.title):
            left = step.make()
    except Failure as failure:
        raise Failure(f"{step.title}: {failure}") from failure
    remember(stamp, {"key": step.key, "left": left})


@contextlib.contextmanager
def progress(title: str) -> Iterator[None]:
    """One line: what is being done, then the seconds it took."""
    print(f"{title} ...", end="", flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f" {time.monotonic() - start:.0f} s", flush=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold a lock file, waiting for another set-up of the same checkout; yields its descriptor."""
    with open(path, "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another set-up of this checkout to end", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()
