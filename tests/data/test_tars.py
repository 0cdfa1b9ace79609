"""Archives read without tarfile, against archives that tarfile writes."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from cifar_files import tar
from hypothesis import given, settings
from hypothesis import strategies as st

from genbench.data import tars
from genbench.data.origin import Origin
from genbench.errors import InputError

NAMES = st.text("abc/._-é", min_size=1, max_size=30).filter(
    lambda name: ".." not in name and not name.startswith((".", "/")) and name.strip("/") == name
)


def packed(folder: Path, content: bytes) -> Origin:
    (folder / "x.tar.gz").write_bytes(content)
    return Origin("data", folder / "x.tar.gz")


@settings(max_examples=60)
@given(
    members=st.dictionaries(NAMES, st.binary(max_size=1500), min_size=1, max_size=5),
    kind=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT]),
)
def test_members_come_back(tmp_path_factory, members, kind):
    origin = packed(tmp_path_factory.getbasetemp(), tar(members, kind))
    # bytes of a name are read as latin-1; those asked for are plain in every use
    plain = {name: data for name, data in members.items() if name.isascii()}
    assert tars.read_tar(origin, [*plain, "gone"], limit=2000) == plain


def test_long_names_of_ustar_are_joined(tmp_path):
    name = "/".join(["folder" * 10] * 2 + ["file"])
    origin = packed(tmp_path, tar({name: b"found"}))
    assert tars.read_tar(origin, [name], limit=9) == {name: b"found"}


def test_what_was_not_asked_for_counts_towards_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "UNPACKED_LIMIT", 4096)
    origin = packed(tmp_path, tar({"a/b": bytes(2000), "a/c": b"1"}))
    with pytest.raises(InputError, match="would unpack to more than 4096 bytes: taken for a bomb"):
        tars.read_tar(origin, ["a/c"], limit=9)


def test_members_are_counted(tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as opened:
        for number in range(1001):
            opened.addfile(tarfile.TarInfo(f"{number}"))
    origin = packed(tmp_path, gzip.compress(content.getvalue()))
    with pytest.raises(InputError, match="holds more than 1000 members"):
        tars.read_tar(origin, ["x"], limit=9)
