"""Fetching by torchvision: what is asked of it, and one line where it cannot be done."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from cifar_files import archive

from genbench.data import open_dataset
from genbench.errors import InputError

FETCHED = {
    "cifar-10-python.tar.gz": lambda: archive("cifar10", "python"),
    "cifar-100-python.tar.gz": lambda: archive("cifar100", "python"),
}


def torchvision(monkeypatch, download_url) -> None:
    """A torchvision whose network is `download_url(url, root, filename, md5)`."""
    package, sets, utils = (
        ModuleType(f"torchvision{end}") for end in ("", ".datasets", ".datasets.utils")
    )
    names = {"CIFAR10": "cifar-10-python.tar.gz", "CIFAR100": "cifar-100-python.tar.gz"}
    for name, file in names.items():
        about = SimpleNamespace(url=f"https://x/{file}", filename=file, tgz_md5=f"md5 of {file}")
        setattr(sets, name, about)
    mirrors = ["https://one/", "https://two/"]
    resources = [("a.gz", "md5 of a"), ("b.gz", "md5 of b")]
    sets.MNIST = SimpleNamespace(mirrors=mirrors, resources=resources)  # type: ignore[attr-defined]
    utils.download_url = download_url  # type: ignore[attr-defined]
    package.datasets, sets.utils = sets, utils  # type: ignore[attr-defined]
    for module in (package, sets, utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_archive_is_fetched_with_its_checksum_and_read_packed(monkeypatch, tmp_path, name):
    asked = []

    def download(url, root, filename, md5):
        asked.append((url, md5))
        (tmp_path / filename).write_bytes(FETCHED[filename]())

    torchvision(monkeypatch, download)
    data = open_dataset(f"{name}={tmp_path}", download=True)
    file = f"cifar-{name[5:]}-python.tar.gz"
    assert asked == [(f"https://x/{file}", f"md5 of {file}")]
    assert data.name == name and [path.name for path in tmp_path.iterdir()] == [file]
    open_dataset(f"{name}={tmp_path}", download=True)
    assert len(asked) == 1  # what is there is not fetched again


def test_another_mirror_is_tried(monkeypatch, tmp_path):
    asked = []

    def download(url, root, filename, md5):
        asked.append((url, root, filename, md5))
        if url.startswith("https://one/b"):
            raise RuntimeError("File not found or corrupted.")

    torchvision(monkeypatch, download)
    with pytest.raises(InputError, match="must hold IDX files"):  # nothing was written
        open_dataset(f"mnist={tmp_path}", download=True)
    root = str(tmp_path)
    assert asked == [
        ("https://one/a.gz", root, "a.gz", "md5 of a"),
        ("https://one/b.gz", root, "b.gz", "md5 of b"),
        ("https://two/b.gz", root, "b.gz", "md5 of b"),
    ]


@pytest.mark.parametrize("error", [OSError("no route\nto host"), RuntimeError("no route to host")])
def test_no_network_is_one_line(monkeypatch, tmp_path, error):
    def download(url, root, filename, md5):
        raise error

    torchvision(monkeypatch, download)
    with pytest.raises(InputError) as caught:
        open_dataset(f"cifar10={tmp_path}", download=True)
    assert str(caught.value) == (
        f"download: cifar-10-python.tar.gz could not be fetched into {tmp_path}: "
        "https://x/cifar-10-python.tar.gz: no route to host"
    )


def test_no_torchvision_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(InputError) as caught:
        open_dataset(f"mnist={tmp_path}", download=True)
    line = str(caught.value)
    assert line.startswith("download: needs torchvision, which cannot be imported (")
    assert f"put the files into {tmp_path} yourself" in line and "\n" not in line


def test_a_torchvision_of_another_torch_is_one_line(monkeypatch, tmp_path):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "torchvision":
                raise RuntimeError("operator torchvision::nms does not exist")

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(InputError, match=r"imported \(operator torchvision::nms does not exist\)"):
        open_dataset(f"mnist={tmp_path}", download=True)


def test_nothing_is_fetched_unasked(monkeypatch, tmp_path):
    def download(*_):
        raise AssertionError("fetched")

    torchvision(monkeypatch, download)
    for name in ("mnist", "cifar10", "cifar100"):
        with pytest.raises(InputError, match="must hold"):
            open_dataset(f"{name}={tmp_path}")
