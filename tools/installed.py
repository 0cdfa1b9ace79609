"""What pip installed, held against its own records (RECORD, PEP 376). Standard library only."""

import csv
import os
import shutil
from pathlib import Path


def is_whole(distribution: Path, *, sizes: bool) -> bool:
    """Whether every file that a .dist-info folder lists is there (sizes: and as long as listed).

    Compiled files do not count: Python makes them again. A folder without RECORD is what a killed
    pip leaves, for RECORD is the last file it writes.
    """
    try:
        with open(distribution / "RECORD", encoding="utf-8", newline="") as record:
            rows = [row for row in csv.reader(record) if row and not row[0].endswith(".pyc")]
    except FileNotFoundError:
        return False
    site = str(distribution.parent)
    for name, _, size in rows:
        try:
            found = os.stat(os.path.join(site, name)).st_size
        except (FileNotFoundError, NotADirectoryError):
            return False
        if sizes and size and int(size) != found:
            return False
    return True


def distributions(site: Path) -> dict[str, Path]:
    """The .dist-info folders of a site-packages folder by name; names carry the version."""
    return {path.name[: -len(".dist-info")]: path for path in sorted(site.glob("*.dist-info"))}


def sweep(site: Path) -> list[str]:
    """Take away what would make pip believe that a damaged package is installed; returns the names.

    pip trusts METADATA and never looks at the files, so the folder goes and pip writes the package
    anew over what is left. Names that begin with ~ are what pip was removing when it was killed.
    """
    damaged = [name for name, path in distributions(site).items() if not is_whole(path, sizes=True)]
    for name in damaged:
        shutil.rmtree(site / (name + ".dist-info"))
    for leftover in site.glob("~*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return damaged
