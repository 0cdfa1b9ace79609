"""The one line that every fault of a file becomes."""

import zipfile
import zlib
from pathlib import Path

import pytest

from genbench.data.origin import Origin
from genbench.errors import InputError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file"), "cannot be read: No such file"),
        (OSError("no number"), "cannot be read: no number"),
        (MemoryError(), "cannot be read: not enough memory"),
        (zipfile.BadZipFile("two\nlines"), r"is damaged: two\nlines"),
        (zlib.error("Error -3"), "is damaged: Error -3"),
        (EOFError(), "is damaged: "),
    ],
)
def test_a_fault_is_one_line(error, line):
    with pytest.raises(InputError) as caught, Origin("fake", Path("a\tb.npz")).reading():
        raise error
    assert str(caught.value) == rf"fake: a\tb.npz {line}"
    assert caught.value.__cause__ is error


def test_mistakes_of_this_package_stay_what_they_are():
    with pytest.raises(KeyError), Origin("real", Path("x")).reading():
        raise KeyError("x")
