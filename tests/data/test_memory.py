"""Whether data fit: decided by what is free, and said in a line."""

import pytest
import torch
from cifar_files import files, write

from genbench.data import memory, open_dataset, place
from genbench.errors import InputError

# A device that every machine has and that holds no memory: what goes where is seen all the same.
DEVICE = "meta"


def free(monkeypatch, count):
    monkeypatch.setattr(memory, "free_memory", lambda device="cpu": count)


def test_data_that_fit_are_moved(monkeypatch):
    data = open_dataset("digits")
    free(monkeypatch, 2 * data.nbytes)
    placed, line = place(data, DEVICE)
    assert placed.train.x.device.type == placed.test.x.device.type == DEVICE
    assert placed.train.labels is not None and placed.train.labels.device.type == DEVICE
    assert line == "digits: 126.4 KiB on meta, of 252.7 KiB free"


def test_data_that_do_not_fit_stay_and_their_batches_are_copied(monkeypatch):
    data = open_dataset("digits")
    free(monkeypatch, 2 * data.nbytes - 2)
    placed, line = place(data, DEVICE)
    assert placed is data
    assert line.startswith("digits: 126.4 KiB stay in main memory, more than half of the 252.7 KiB")
    batch = next(placed.batches(batch_size=3, seed=0, device=DEVICE))
    assert all(tensor.device.type == DEVICE for tensor in batch.tensors())


def test_nothing_is_moved_where_nothing_is_known(monkeypatch):
    data = open_dataset("digits")
    free(monkeypatch, None)
    placed, line = place(data, DEVICE)
    assert placed is data and "what is free on meta is unknown" in line
    assert place(data, "cpu") == (data, "digits: 126.4 KiB in main memory")


def test_bytes_are_those_of_every_tensor():
    data = open_dataset("shapes", size=8)
    rows = 3 * 8 * 8 + 8 + 6 * 4  # pixels, a label, six factors
    assert data.nbytes == 5000 * rows


def test_what_does_not_fit_is_not_read(monkeypatch, tmp_path):
    (tmp_path / "train-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + (4).to_bytes(4) * 3 + bytes(64))
    free(monkeypatch, 127)
    with pytest.raises(InputError, match=r"needs 0\.1 KiB of memory, at most 0\.1 KiB are taken"):
        open_dataset(tmp_path)
    free(monkeypatch, 128)
    assert len(open_dataset(tmp_path).train) == 3


def test_cifar_resized_beyond_memory_is_not_resized(monkeypatch, tmp_path):
    write(tmp_path, files("cifar10", "binary"))
    free(monkeypatch, 2 * 20 * 3072)
    assert len(open_dataset(f"cifar10={tmp_path}").train) == 20
    with pytest.raises(InputError, match=r"needs 63\.8 KiB of memory, at most 60\.0 KiB are"):
        open_dataset(f"cifar10={tmp_path}", size=33)


def test_free_main_memory_is_less_than_there_is():
    found = memory.free_memory("cpu")
    assert found is None or 0 < found < 2**50
    assert memory.free_memory("meta") is None


@pytest.mark.cuda
def test_shapes_and_photos_are_drawn_on_a_gpu():
    for name in ("shapes", "photos", "ring8"):
        data, line = place(open_dataset(name), "cuda")
        assert data.train.x.is_cuda and "on cuda" in line
        here = next(open_dataset(name).batches(batch_size=8, seed=1)).x
        there = next(data.batches(batch_size=8, seed=1)).x
        assert there.is_cuda
        # a level of 255, where the device's sine rounds otherwise; a rounding of points
        assert (here - there.cpu()).abs().max() <= (2.1 / 255 if name == "shapes" else 1e-6)
    assert torch.cuda.is_available()
