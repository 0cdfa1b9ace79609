"""CIFAR-10 and CIFAR-100, binary or pickled, unpacked or as downloaded. Krizhevsky 2009.

www.cs.toronto.edu/~kriz/cifar.html. Nothing is unpickled or extracted to disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genbench.data.datasets import Dataset
from genbench.data.images import resized
from genbench.data.memory import check_fits
from genbench.data.origin import Origin, printable
from genbench.data.pickles import read_pickle
from genbench.data.splits import Split
from genbench.data.tars import read_tar

SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


@dataclass(frozen=True)
class Layout:
    """How one version lies on disk. label_bytes: before each picture, the last one counts; 0: a
    pickle, with the labels in `key`."""

    archive: str
    folder: str
    train: tuple[str, ...]
    test: str
    names: str  # the file of the classes' names
    classes: int
    label_bytes: int
    key: str
    names_key: str
    limit: int  # bytes of a file; the largest is about half of it

    @property
    def files(self) -> tuple[str, ...]:
        """Those that must be there."""
        return (*self.train, self.test)


_TEN = {"key": "labels", "names_key": "label_names", "classes": 10, "limit": 2**26}
_HUNDRED = {"key": "fine_labels", "names_key": "fine_label_names", "classes": 100, "limit": 2**28}
_BINARY = tuple(f"{name}.bin" for name in _BATCHES)
LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "cifar10": (
        Layout(
            *("cifar-10-python.tar.gz", "cifar-10-batches-py", _BATCHES, "test_batch"),
            **_TEN,
            names="batches.meta",
            label_bytes=0,
        ),
        Layout(
            *("cifar-10-binary.tar.gz", "cifar-10-batches-bin", _BINARY, "test_batch.bin"),
            **_TEN,
            names="batches.meta.txt",
            label_bytes=1,
        ),
    ),
    "cifar100": (
        Layout(
            *("cifar-100-python.tar.gz", "cifar-100-python", ("train",), "test"),
            **_HUNDRED,
            names="meta",
            label_bytes=0,
        ),
        Layout(
            *("cifar-100-binary.tar.gz", "cifar-100-binary", ("train.bin",), "test.bin"),
            **_HUNDRED,
            names="fine_label_names.txt",
            label_bytes=2,
        ),
    ),
}


def cifar(origin: Origin, *, name: str, size: int | None = None) -> Dataset:
    """`name`: "cifar10" or "cifar100" (fine labels); pictures (3, 32, 32), or resized to `size`.

    origin: the .tar.gz as downloaded, a folder that holds it, or the unpacked folder. Raises
    InputError for files that are missing, damaged, or not of CIFAR.
    """
    layout, found = _find(origin, LAYOUTS[name])
    classes = _classes(origin, layout, found.get(layout.names))
    parts = []
    for files in (layout.train, (layout.test,)):
        read = [_rows(origin, layout, file, found.pop(file)) for file in files]
        x = np.concatenate([pixels for pixels, _ in read])
        check_fits(origin, _PIXELS * len(x) if size is None else 3 * size**2 * len(x))
        labels = torch.from_numpy(np.concatenate([labels for _, labels in read]))
        x = x if size is None else resized(x, size)
        parts.append(Split(torch.from_numpy(x), labels, levels=256))
    return Dataset(name, *parts, classes=classes)


def _find(origin: Origin, layouts: tuple[Layout, ...]) -> tuple[Layout, dict[str, Any]]:
    """The version that is there, and its files by name."""
    with origin.reading():
        is_folder = origin.path.is_dir()
    if not is_folder:
        return _unpacked(origin, layouts)
    for layout in layouts:
        for folder in (origin.path, origin.path / layout.folder):
            if (folder / layout.files[0]).exists():
                return layout, _read_folder(origin.at(folder), layout)
    for layout in layouts:
        if (archive := origin.path / layout.archive).exists():
            return _unpacked(origin.at(archive), layouts)
    wanted = " or ".join(layout.archive for layout in layouts)
    raise origin.fault(
        f"must hold {wanted}, or what is in it ({layouts[0].files[0]} or {layouts[1].files[0]})"
    )


def _unpacked(origin: Origin, layouts: tuple[Layout, ...]) -> tuple[Layout, dict[str, Any]]:
    paths = {
        f"{layout.folder}/{file}": (layout, file)
        for layout in layouts
        for file in (*layout.files, layout.names)
    }
    members = read_tar(origin, paths, limit=max(layout.limit for layout in layouts))
    for layout in layouts:
        found = {paths[path][1]: m for path, m in members.items() if paths[path][0] is layout}
        if found:
            _check_all(origin, layout, found)
            return layout, found
    wanted = " or ".join(f"{layout.folder}/{layout.files[0]}" for layout in layouts)
    raise origin.fault(f"must hold {wanted}, and holds neither")


def _read_folder(origin: Origin, layout: Layout) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (*layout.files, layout.names):
        file = origin.at(origin.path / name)
        if not file.path.exists():
            continue
        size = file.file_size()
        if size > layout.limit:
            raise file.fault(f"has {size} bytes, at most {layout.limit} are read")
        with file.reading():
            found[name] = file.path.read_bytes()
    _check_all(origin, layout, found)
    return found


def _check_all(origin: Origin, layout: Layout, found: dict[str, Any]) -> None:
    if missing := [name for name in layout.files if name not in found]:
        raise origin.fault(f"must hold {', '.join(layout.files)}, and lacks {missing[0]}")


def _rows(origin: Origin, layout: Layout, name: str, content: bytes) -> tuple[Any, Any]:
    """Pictures (n, 3, 32, 32) uint8 and labels (n,) int64 of one file."""
    if layout.label_bytes:
        pixels, labels = _binary(origin, layout, name, content)
    else:
        pixels, labels = _pickled(origin, layout, name, content)
    if not len(labels):
        raise origin.fault(f"{name} must hold at least one picture, got none")
    if labels.min() < 0 or labels.max() >= layout.classes:
        raise origin.fault(
            f"{name} must hold labels 0 to {layout.classes - 1}, got {labels.min()} to "
            f"{labels.max()}"
        )
    return pixels.reshape(-1, *SHAPE), labels


def _binary(origin: Origin, layout: Layout, name: str, content: bytes) -> tuple[Any, Any]:
    row = layout.label_bytes + _PIXELS
    if len(content) % row:
        raise origin.fault(
            f"{name} is truncated or no CIFAR file: {len(content)} bytes are no whole number of "
            f"pictures of {row}"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, row)
    return rows[:, layout.label_bytes :], rows[:, layout.label_bytes - 1].astype(np.int64)


def _pickled(origin: Origin, layout: Layout, name: str, content: bytes) -> tuple[Any, Any]:
    found = read_pickle(content, origin, what=f"{name} ")
    pixels, labels = found.get("data"), found.get(layout.key)
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
        shape = f" {pixels.shape}" if isinstance(pixels, np.ndarray) else ""
        kind = type(pixels).__name__
        raise origin.fault(f"{name} must hold data (n, {_PIXELS}) of bytes, got {kind}{shape}")
    if not isinstance(labels, list) or any(type(x) is not int for x in labels):
        raise origin.fault(f"{name} must hold {layout.key}, a list of whole numbers")
    if len(labels) != len(pixels):
        raise origin.fault(
            f"{name} must hold a label for each of {len(pixels)} pictures, got {len(labels)}"
        )
    if any(abs(x) > 2**31 for x in labels):
        raise origin.fault(f"{name} must hold labels 0 to {layout.classes - 1}")
    return pixels, np.array(labels, np.int64)


def _classes(origin: Origin, layout: Layout, content: bytes | None) -> tuple[str, ...]:
    """The classes' names, or their numbers where the file of names is missing."""
    if content is None:
        return tuple(map(str, range(layout.classes)))
    if layout.label_bytes:
        names: Any = bytes(content).decode("latin-1").split()
    else:
        names = read_pickle(content, origin, what=f"{layout.names} ").get(layout.names_key)
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not texts or len(names) != layout.classes:
        raise origin.fault(f"{layout.names} must hold {layout.classes} names of classes")
    return tuple(printable(name[:80]) for name in names)
