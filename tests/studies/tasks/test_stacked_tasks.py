"""Stacked digits: hand cases of the reader's triples, floors, and a user's own MNIST."""

import math
import struct
from typing import Any

import numpy as np
import pytest
import torch
from train_digits import digits

from genbench.data.stacked import StackedDigits, held_out_digits
from genbench.errors import InputError
from genbench.studies.tasks import SCORES, StackedTask, load_task, make_tasks, reader, save_task
from genbench.studies.tasks.reader import digits_reader
from genbench.studies.tasks.stacked import stacked_mnist


class Oracle:
    """Reads the class that a constant image shows: class / 10 is its brightness."""

    def __init__(self, swap: dict[int, int] | None = None) -> None:
        self.swap = swap or {}

    def __call__(self, digits):
        classes = (digits[:, 0, 0] * 10).round().long()
        for wrong, read in self.swap.items():
            classes = torch.where(classes == wrong, read, classes)
        return digits.flatten(1).float() + 1e-3 * classes[:, None], classes


def constant(swap=None):
    """A task whose digit c is an image of brightness c / 10, read by an oracle."""
    labels = torch.arange(10).repeat(3)
    images = (labels * 25.5).round().to(torch.uint8)[:, None, None].expand(-1, 2, 2).contiguous()
    found = StackedDigits(images, labels)
    oracle: Any = Oracle(swap)
    return StackedTask("constant", found, found, reader=oracle, taught_digest="oracle")


def shown(triples):
    """(N, 3, 2, 2) images in [-1, 1] that show classes."""
    classes = torch.tensor(triples, dtype=torch.float64)
    return (classes / 10 * 2 - 1)[:, :, None, None].expand(-1, -1, 2, 2)


def test_triples_by_hand():
    # 1000 samples: 500 of (0,0,0), 499 of (1,2,3), one of (3,2,1)
    x = shown([(0, 0, 0)] * 500 + [(1, 2, 3)] * 499 + [(3, 2, 1)])
    found: dict[str, Any] = constant().score(x)
    assert tuple(found) == SCORES
    assert found["modes"] == 3 and found["modes_held"] == 3  # a fifth of one sample
    p = (0.5, 0.499, 0.001)
    assert found["kl"] == pytest.approx(sum(v * math.log(1000 * v) for v in p))
    assert found["high_quality"] is found["spread"] is found["kl_off_mode"] is None


def test_one_sample_of_six_thousand_holds_no_triple():
    x = shown([(0, 0, 0)] * 5_999 + [(9, 9, 9)])
    found = constant().score(x)
    assert (found["modes"], found["modes_held"]) == (2, 1)  # a fifth of six samples is 1.2


def test_blocks_are_read_as_the_whole(monkeypatch):
    (task,) = make_tasks("stacked-digits")
    x = task.sample(300, torch.Generator().manual_seed(3))
    whole = task.score(x)
    monkeypatch.setattr("genbench.studies.tasks.stacked._BLOCK", 128)
    assert task.score(x) == whole


def test_channels_are_not_mixed_up():
    one, other = (constant().score(shown([t] * 100)) for t in ((1, 2, 3), (3, 2, 1)))
    assert one["kl"] == other["kl"] == pytest.approx(math.log(1000))
    both = constant().score(shown([(1, 2, 3)] * 50 + [(3, 2, 1)] * 50))
    assert both["modes"] == 2


def test_the_readers_errors_are_in_the_floor():
    # every 7 is read as 1: 9^3 triples are left, and KL grows by what the doubled shares cost
    right, wrong = constant(), constant({7: 1})
    a, b = right.floor(26_000), wrong.floor(26_000)
    assert a["modes"] == 1000 and b["modes"] == 729
    p = [0.2] + [0.1] * 8
    lost = 3 * sum(v * math.log(10 * v) for v in p)
    # fewer bins: the count's own part, (bins - 1) / 2 N, falls too
    assert b["kl"] == pytest.approx(lost + 728 / 52_000, abs=0.002)
    assert "0.9000 of 30 digits right" in wrong.conventions["reader"]


def test_floors_of_held_out_digits():
    (task,) = make_tasks("stacked-digits")
    floor: dict[str, Any] = task.floor(26_000)
    # published: (1000 - 1) / 2 N = .0194 of the counts alone
    assert floor["modes"] == 1000 and floor["kl"] == pytest.approx(999 / 52_000, rel=0.15)
    few: dict[str, Any] = task.floor(2_500)
    # 1000 (1 - (1 - 1/1000)^2500) = 918
    assert few["modes"] == pytest.approx(1000 * (1 - 0.999**2500), abs=6)
    assert task.least_samples == 26_000 and task.scale == 1


def test_fresh_digits_score_the_floor():
    (task,) = make_tasks("stacked-digits")
    n = 1_500
    found: dict[str, Any] = task.score(task.sample(n, torch.Generator().manual_seed(3)))
    floor: dict[str, Any] = task.floor(n)
    # modes visited: deviation below sqrt(1000 / 4)
    assert found["modes"] == pytest.approx(floor["modes"], abs=5 * 16)
    assert found["kl"] == pytest.approx(floor["kl"], abs=0.05)
    assert found["recall"] == pytest.approx(floor["recall"], abs=0.06)


def test_a_collapse_onto_one_image_shows():
    (task,) = make_tasks("stacked-digits")
    x = task.sample(1, torch.Generator().manual_seed(0)).expand(700, -1, -1, -1)
    found: dict[str, Any] = task.score(x)
    assert found["modes"] == 1 and found["kl"] == pytest.approx(math.log(1000))
    assert found["coverage"] < 0.1 and found["recall"] < 0.1 < 0.9 < found["precision"]


def test_the_reader_reads_real_digits_and_cuts_off_what_lies_outside():
    data = held_out_digits()
    _, classes = digits_reader()(data.images.double() / 255)
    assert (classes == data.labels).double().mean() > 0.95
    (task,) = make_tasks("stacked-digits")
    x = task.sample(700, torch.Generator().manual_seed(0))
    wide = torch.where(x > 0.999, 5.0, torch.where(x < -0.999, -5.0, x))
    assert task.score(wide)["modes"] == task.score(x)["modes"]


def mnist(folder, n=600):
    """A small MNIST of scikit-learn's digits, the first n to train and 360 to test."""
    images, labels = digits()
    for part, rows in (("train", slice(n)), ("t10k", slice(-360, None))):
        for kind, array in (("images-idx3", images[rows]), ("labels-idx1", labels[rows])):
            head = struct.pack(">BBBB", 0, 0, 8, array.ndim)
            head += struct.pack(f">{array.ndim}I", *array.shape)
            content = head + array.numpy().astype(np.uint8).tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(content)
    return folder


def test_a_users_mnist(tmp_path):
    folder = mnist(tmp_path, 1_400)
    (task,) = make_tasks(f"stacked-mnist={folder}")
    assert isinstance(task, StackedTask)
    assert (task.name, task.data_shape, task.modes()) == ("stacked-mnist", (3, 8, 8), 1000)
    # odd training digits train generators; the reader learned from the even ones
    assert len(task.data.labels) == 700 and len(task.judged.labels) == 360
    right = float(task.conventions["reader"].split()[1])
    assert right > 0.9  # learned from 700 digits
    floor: dict[str, Any] = task.floor(26_000)
    assert floor["kl"] > 999 / 52_000  # the reader's errors
    path = save_task(task, tmp_path / "out")
    again = load_task(path, task.name)
    assert again.digest == task.digest and again.floor(2_000) == task.floor(2_000)
    # a resumed study reads the folder anew and keeps the file: nothing is trained
    before = path.read_bytes()
    fresh = stacked_mnist(folder)
    assert save_task(fresh, tmp_path / "out").read_bytes() == before
    assert "reader" not in vars(fresh)


def test_the_reader_is_the_same_whatever_the_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "_STEPS", 20)
    folder, found = mnist(tmp_path), []
    state = torch.get_rng_state()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(stacked_mnist(folder).reader.arrays()["sha256"])
    torch.set_num_threads(1)
    assert found[0] == found[1]
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["truncated", "edited"])
def test_a_damaged_reader_is_trained_again(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(reader, "_STEPS", 20)
    task = stacked_mnist(mnist(tmp_path))
    path = save_task(task, tmp_path / "out")
    content, arrays = path.read_bytes(), dict(np.load(path))
    if kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        arrays["reader/classes.bias"] = arrays["reader/classes.bias"] + 1
        np.savez(path, **arrays)
    assert save_task(task, tmp_path / "out").read_bytes() == content


def test_plain_stacked_mnist_says_how_to_give_the_folder(tmp_path):
    for name in ("stacked-mnist", "stacked-mnist="):
        with pytest.raises(InputError, match=r"^data: .*give it as stacked-mnist=FOLDER"):
            make_tasks(name)
    with pytest.raises(InputError, match=r"^data: .*nowhere must be a folder that holds train-im"):
        make_tasks(f"stacked-mnist={tmp_path / 'nowhere'}")
