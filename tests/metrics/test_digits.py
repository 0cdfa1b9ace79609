"""The digit classifier: how well it reads, and that no batch, thread or file changes that."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
import torch
import train_digits
from PIL import Image
from torch.nn import functional as F

from genbench.errors import InputError
from genbench.metrics.extractors import open_extractor
from genbench.metrics.extractors.digits import OWN_WEIGHTS, open_digits

IMAGES, LABELS = train_digits.digits()  # (1797, 8, 8) uint8
_, HELD = train_digits.split(len(IMAGES))


def enlarged(size, images=IMAGES):
    """(N, 1, size, size): each picture as Pillow enlarges it."""
    filled = [
        Image.fromarray(picture.numpy()).resize((size, size), Image.Resampling.BICUBIC)
        for picture in images
    ]
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in filled]))[:, None]


def extracted(extract, images):
    """Features and probabilities, none of which a classifier leaves out."""
    features, probabilities = extract(images)
    assert probabilities is not None
    return features, probabilities


def accuracy(images, extract=None):
    """Of the pictures held out from training."""
    _, probabilities = extracted(extract or open_extractor("digits"), images[HELD])
    return (probabilities.argmax(1) == LABELS[HELD]).double().mean().item()


def test_the_committed_weights_read_the_held_out_digits():
    config = json.loads((OWN_WEIGHTS / "config.json").read_text())
    found = accuracy(IMAGES[:, None])
    # one digit of 360 may fall the other way by rounding
    assert found == pytest.approx(config["held_out_accuracy"], abs=1.01 / config["held_out_images"])
    assert found >= 0.98


def test_the_split_is_fixed_and_fair():
    used, held = train_digits.split(1797)
    assert sorted(used.tolist() + held.tolist()) == list(range(1797))
    assert held[:3].tolist() == HELD[:3].tolist()
    assert min(Counter(LABELS[held].tolist()).values()) >= 25  # of 36 expected


@pytest.mark.parametrize("size", [16, 28, 64])
def test_larger_pictures_are_read_as_well(size):
    assert accuracy(enlarged(size)) >= 0.98


def test_digits_with_the_margin_of_mnist_are_read():
    framed = F.pad(enlarged(20), (4, 4, 4, 4))  # 20x20 in 28x28
    assert accuracy(framed) >= 0.95
    assert accuracy(framed.expand(-1, 3, -1, -1)) == accuracy(framed)


def test_features_explain_the_probabilities():
    extract = open_digits()
    features, probabilities = extracted(extract, IMAGES[:50, None])
    assert features.shape == (50, 64)
    assert (features.dtype, probabilities.dtype) == (torch.float32, torch.float32)
    weight, bias = extract.net.classes.parameters()
    logits = features.double() @ weight[:, :, 0, 0].T + bias
    likelihood = logits.exp() / logits.exp().sum(1, keepdim=True)
    # features were rounded to float32; logits reach about 10
    assert probabilities.double().numpy() == pytest.approx(likelihood.numpy(), abs=1e-5)


def test_neither_threads_nor_batches_change_a_bit():
    images = torch.randint(0, 256, (60, 1, 28, 28), dtype=torch.uint8)
    extract, before = open_extractor("digits"), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        features, probabilities = extracted(extract, images)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for size in (1, 7, 60):
                parts = [extracted(extract, part) for part in images.split(size)]
                assert torch.equal(torch.cat([part[0] for part in parts]), features)
                assert torch.equal(torch.cat([part[1] for part in parts]), probabilities)
    finally:
        torch.set_num_threads(before)


def test_the_folder_is_small():
    assert sum(path.stat().st_size for path in OWN_WEIGHTS.iterdir()) < 2**20


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(OWN_WEIGHTS, tmp_path / "mine")


def test_a_folder_of_the_same_weights_gives_the_same_digest(folder):
    own, copied = open_extractor("digits"), open_extractor(folder)
    assert (copied.name, copied.digest) == ("mine", own.digest)
    assert open_extractor("digits", weights=folder).digest == own.digest


def change(folder, **changed):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def flip(folder):
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def test_a_folder_that_is_not_there_is_said_in_one_line(tmp_path):
    line = "weights: '.*nope' is not a folder; one with config.json and model.safetensors is needed"
    with pytest.raises(InputError, match=line):
        open_extractor("digits", weights=tmp_path / "nope")


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (flip, "model.safetensors' is damaged: its sha256 is [0-9a-f]{64}, config.json says "),
        (
            lambda f: (f / "model.safetensors").unlink(),
            "features: cannot read '.*model.safetensors",
        ),
        (
            lambda f: (f / "config.json").unlink(),
            "features: cannot read '.*config.json': No such file or directory$",
        ),
        (lambda f: (f / "config.json").write_text("{"), "features: cannot read '.*config.json'"),
        (lambda f: (f / "config.json").write_text("[]"), "must be an object with the key 'sha256'"),
        (lambda f: change(f, extractor="faces"), "must hold an extractor 'digits' .* got 'faces'"),
        (
            lambda f: change(f, width=10**9),
            "needs whole numbers from 1 to 4096 in config.json, got width 100000",
        ),
        (
            lambda f: change(f, size="8"),
            "needs whole numbers from 1 to 4096 in config.json, got size '8'",
        ),
        (lambda f: change(f, width=32), "does not fit its config.json: .* size mismatch"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(folder, damage, line):
    damage(folder)
    with pytest.raises(InputError, match=line) as caught:
        open_extractor(folder)
    assert "\n" not in str(caught.value)


def test_the_recipe_learns_other_peoples_pictures(tmp_path, capsys):
    # bars: upright is class 0, lying class 1, in pictures of another size
    images = np.zeros((60, 12, 12), np.uint8)
    images[::2, :, 5:7] = images[1::2, 5:7, :] = 255
    np.savez(tmp_path / "bars.npz", images=images, labels=np.arange(60) % 2)
    arguments = ["--data", tmp_path / "bars.npz", "--out", tmp_path / "net", "--epochs", "5"]
    before = torch.get_num_threads()
    try:
        assert train_digits.main([str(argument) for argument in arguments]) == 0
    finally:
        torch.set_num_threads(before)
    assert capsys.readouterr().out.startswith("1.0000 of the held-out images are read right")
    _, read = extracted(open_extractor(tmp_path / "net"), torch.from_numpy(images)[:, None])
    assert read.argmax(1).tolist() == [0, 1] * 30


@pytest.mark.cuda
def test_a_gpu_gives_the_same_features():
    here, there = open_digits(), open_digits(device="cuda")
    assert here.digest == there.digest
    images = enlarged(28)[:100]
    ours, theirs = extracted(here, images), extracted(there, images.cuda())
    assert theirs[0].device.type == "cpu"
    for a, b in zip(ours, theirs, strict=True):
        # float64 on both, rounded to float32
        assert b.numpy() == pytest.approx(a.numpy(), rel=1e-6, abs=1e-6)


@pytest.mark.slow
def test_the_recipe_reaches_the_same_accuracy_again(tmp_path):
    before = torch.get_num_threads()
    try:
        found = train_digits.write(tmp_path / "again", IMAGES, LABELS, "digits")
    finally:
        torch.set_num_threads(before)
    config = json.loads((OWN_WEIGHTS / "config.json").read_text())
    # another CPU rounds otherwise and ends in other weights: 1 % is 3.6 of the 360 digits
    assert found == pytest.approx(config["held_out_accuracy"], abs=0.01)
    assert accuracy(IMAGES[:, None], open_extractor(tmp_path / "again")) >= 0.98
