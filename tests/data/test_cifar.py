"""CIFAR-10 and -100: both versions, unpacked and as downloaded, come back as they were written."""

import pickle
import tarfile

import numpy as np
import pytest
import torch
from cifar_files import FOLDERS, archive, files, pictures, tar, write

from genbench.data import open_dataset
from genbench.errors import InputError

VERSIONS = pytest.mark.parametrize(("name", "version"), FOLDERS)


def check(data, name):
    """Against what `files` puts into them."""
    parts = 5 if name == "cifar10" else 1
    expected = np.concatenate([pictures(4, seed) for seed in range(parts)])
    assert data.name == name and data.data_shape == (3, 32, 32)
    assert data.train.x.dtype == torch.uint8 and data.train.levels == 256
    np.testing.assert_array_equal(data.train.x.flatten(1).numpy(), expected)
    np.testing.assert_array_equal(data.test.x.flatten(1).numpy(), pictures(4, parts))
    assert data.train.labels.tolist() == [3, 4, 5, 6] * parts
    assert data.test.labels.tolist() == [3, 4, 5, 6]


@VERSIONS
def test_an_unpacked_folder(tmp_path, name, version):
    folder = write(tmp_path / FOLDERS[name, version], files(name, version))
    for path in (folder, tmp_path):
        data = open_dataset(f"{name}={path}")
        check(data, name)
        assert data.classes == tuple(f"class{c}" for c in range(10 if name == "cifar10" else 100))


@VERSIONS
@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_archive_as_downloaded(tmp_path, name, version, kind):
    number = "10" if name == "cifar10" else "100"
    path = tmp_path / f"cifar-{number}-{version}.tar.gz"
    path.write_bytes(archive(name, version, kind))
    before = sorted(tmp_path.iterdir())
    for named in (path, tmp_path):
        check(open_dataset(f"{name}={named}"), name)
    assert sorted(tmp_path.iterdir()) == before  # nothing is extracted


def test_extended_headers_are_passed_over(tmp_path):
    content = {f"./cifar-100-binary/{k}": v for k, v in files("cifar100", "binary").items()}
    path = tmp_path / "x.tar.gz"
    path.write_bytes(tar({"./cifar-100-binary/" + "ü" * 120: b"1", **content}, tarfile.PAX_FORMAT))
    check(open_dataset(f"cifar100={path}"), "cifar100")


def test_the_hand_written_pickles_are_pickles():
    """What these tests call a file of Python 2's is one to Python's own unpickler."""
    found = pickle.loads(files("cifar10", "python")["data_batch_2"], encoding="latin1")
    np.testing.assert_array_equal(found["data"], pictures(4, 1))
    assert found["labels"] == [3, 4, 5, 6]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_pickles_of_today(tmp_path, protocol, order):
    x = np.asarray(pictures(4), order=order)
    content = pickle.dumps({"fine_labels": [0, 99, 5, 7], "data": x}, protocol)
    write(tmp_path, {"train": content, "test": content})
    data = open_dataset(f"cifar100={tmp_path}")
    np.testing.assert_array_equal(data.test.x.flatten(1).numpy(), x)
    assert data.test.labels is not None and data.test.labels.tolist() == [0, 99, 5, 7]
    assert data.classes == tuple(map(str, range(100)))  # no file of names


def test_pictures_are_resized(tmp_path):
    found = files("cifar10", "binary")
    grey = np.full((1, 3072), 77, np.uint8).tobytes()
    write(tmp_path, found | {"test_batch.bin": b"\x02" + grey})
    data = open_dataset(f"cifar10={tmp_path}", size=8)
    assert data.data_shape == (3, 8, 8)
    assert (data.test.x == 77).all()
    assert data.train.x.float().std() < 60  # antialiased: noise is averaged, from 74


def test_a_missing_file_is_named(tmp_path):
    found = files("cifar10", "python")
    del found["data_batch_3"]
    write(tmp_path / "unpacked", found)
    line = r"must hold data_batch_1, .*, test_batch, and lacks data_batch_3$"
    with pytest.raises(InputError, match=line):
        open_dataset(f"cifar10={tmp_path / 'unpacked'}")
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(tar({f"cifar-10-batches-py/{k}": v for k, v in found.items()}))
    with pytest.raises(InputError, match=line):
        open_dataset(f"cifar10={packed}")


def test_the_other_cifar_is_not_taken_for_this_one(tmp_path):
    write(tmp_path / "cifar-100-python", files("cifar100", "python"))
    line = r"must hold cifar-10-python\.tar\.gz or cifar-10-binary\.tar\.gz, or what is in it"
    with pytest.raises(InputError, match=line):
        open_dataset(f"cifar10={tmp_path}")
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(archive("cifar100", "python"))
    with pytest.raises(InputError, match="must hold cifar-10-batches-py/data_batch_1 or"):
        open_dataset(f"cifar10={packed}")
