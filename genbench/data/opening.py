"""What a user names as data, opened: a name of the catalog, NAME=FOLDER, or a path."""

from __future__ import annotations

import os
from pathlib import Path

from genbench.catalog import look_up
from genbench.data.datasets import Dataset
from genbench.data.origin import Origin, printable
from genbench.errors import InputError

_SUFFIXES = (".npy", ".npz", ".safetensors", ".gz")


def open_dataset(
    name: str | os.PathLike[str], *, size: int | None = None, download: bool = False
) -> Dataset:
    """The data set called `name`, as `genbench datasets` lists them, or that a path leads to.

    name: a name; mnist=FOLDER, cifar10=FOLDER or cifar100=FOLDER; a folder of pictures or of IDX
    files; an .npy, .npz, .safetensors or IDX file. size: pixels a side that pictures are drawn,
    cut or resized to. download: fetch what NAME=FOLDER lacks; nothing is ever fetched without.

    Raises InputError, one line, for anything else, and for data that are damaged or do not fit.
    """
    from genbench.data import DATASETS, MIXTURES, ON_DISK, STACKED

    if not isinstance(name, str | os.PathLike):
        raise InputError(f"data: must be a name or a path, got {name!r}")
    text = os.fspath(name)
    kind, _, path = text.partition("=")
    if kind in ON_DISK:
        return _on_disk(kind, path, size, download)
    if download:
        raise InputError(
            f"download: only {', '.join(ON_DISK)} can be fetched, as NAME=FOLDER, got '{text}'"
        )
    if text in MIXTURES:
        return _mixture(text, size)
    if text in STACKED:
        raise InputError(f"data: {text} is for genbench study alone")
    if text not in DATASETS and _is_path(text):
        return _path(Origin("data", Path(text)), size)
    entry = look_up({**DATASETS, **ON_DISK, **MIXTURES}, text, argument="data")
    options = {} if size is None else {"size": size}
    return entry.load()(**{**entry.preset, **options})


def _on_disk(kind: str, path: str, size: int | None, download: bool) -> Dataset:
    from genbench.data import ON_DISK
    from genbench.data.images import check_side

    if not path:
        raise InputError(f"data: {kind} lies on your disk: give its folder, as {kind}=FOLDER")
    origin = Origin("data", Path(path))
    if "\0" in path:
        raise origin.fault("is no path: it holds a zero byte")
    check_side(size, argument="data")
    read = ON_DISK[kind].load()
    try:
        return read(origin, name=kind, size=size)
    except InputError:
        if not download:
            raise
    from genbench.data.downloads import fetch

    fetch(kind, origin.path)
    return read(origin, name=kind, size=size)


def _mixture(name: str, size: int | None) -> Dataset:
    from genbench.data.mixtures import mixture
    from genbench.data.points import points

    if size is not None:
        raise InputError(f"size: {name} has no pictures, got {size}")
    return points(mixture(name))


def _is_path(text: str) -> bool:
    return (
        os.sep in text or text.lower().endswith(_SUFFIXES) or (text != "" and Path(text).exists())
    )


def _path(origin: Origin, size: int | None) -> Dataset:
    from genbench.data.disk import array_file, picture_folder
    from genbench.data.idx_folders import has_idx, idx_folder

    path = origin.path
    if "\0" in str(path):
        raise origin.fault("is no path: it holds a zero byte")
    with origin.reading():
        folder = path.is_dir()
    name = printable(path.resolve().name if folder else path.stem)
    if not folder:
        return array_file(origin, name=name, size=size)
    return (idx_folder if has_idx(origin) else picture_folder)(origin, name=name, size=size)
