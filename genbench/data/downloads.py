"""MNIST and CIFAR fetched by torchvision, when a user asks for it: archives alone, by checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genbench.errors import InputError


def fetch(name: str, folder: Path) -> None:
    """Puts the archives of "mnist", "cifar10" or "cifar100" into `folder`, where they are missing.

    They stay packed, and nothing is unpickled. Raises InputError, one line, where torchvision
    cannot be imported, the network fails, or what came has another MD5 than torchvision expects.
    """
    sets, utils = _torchvision(folder)
    for urls, file, md5 in _files(sets, name):
        _fetch(utils, urls, folder, file, md5)


def _torchvision(folder: Path) -> tuple[Any, Any]:
    try:
        from torchvision import datasets
        from torchvision.datasets import utils
    except Exception as error:  # built for another torch, it raises RuntimeError
        raise InputError(
            f"download: needs torchvision, which cannot be imported ({_line(error)}): install one "
            f"made for this torch, or put the files into {folder} yourself"
        ) from error
    return datasets, utils


def _files(sets: Any, name: str) -> list[tuple[list[str], str, str]]:
    """For each archive: where it is found, its name, its MD5."""
    if name == "mnist":
        known = sets.MNIST
        return [([m + file for m in known.mirrors], file, md5) for file, md5 in known.resources]
    known = {"cifar10": sets.CIFAR10, "cifar100": sets.CIFAR100}[name]
    return [([known.url], known.filename, known.tgz_md5)]


def _fetch(utils: Any, urls: list[str], folder: Path, file: str, md5: str) -> None:
    errors = []
    for url in urls:
        try:
            # fetches nothing where the file is there and its MD5 is right
            return utils.download_url(url, str(folder), file, md5)
        except (OSError, RuntimeError) as error:  # URLError is an OSError
            errors.append(f"{url}: {_line(error)}")
    raise InputError(f"download: {file} could not be fetched into {folder}: {'; '.join(errors)}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
