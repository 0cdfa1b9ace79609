"""What a user names as data, opened: a name of the catalog."""

from __future__ import annotations

from genbench.catalog import look_up
from genbench.data.datasets import Dataset


def open_dataset(name: str, *, size: int | None = None) -> Dataset:
    """The data set called `name`; `size`: pixels a side of pictures, where they can be resized.

    Raises InputError for an unknown name.
    """
    from genbench.data import DATASETS

    entry = look_up(DATASETS, name, argument="data")
    options = {} if size is None else {"size": size}
    return entry.load()(**{**entry.preset, **options})
