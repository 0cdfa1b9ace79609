"""Feature extractors: names, what all of them refuse, pictures made ready, and pixels."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from genbench.errors import InputError
from genbench.metrics.extractors import EXTRACTORS, open_extractor
from genbench.metrics.extractors.pictures import grey, resized

BYTES = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@given(BYTES)
def test_grey_is_what_pillow_makes_of_colours(picture):
    channels = torch.from_numpy(picture).permute(2, 0, 1)[None]
    assert np.array_equal(grey(channels)[0, 0], np.asarray(Image.fromarray(picture).convert("L")))


@pytest.mark.parametrize("height", [5, 8, 11, 28])
@pytest.mark.parametrize("width", [3, 28, 64])
def test_pictures_are_resized_as_pillow_does(height, width):
    picture = np.random.default_rng(height).random((height, width), dtype=np.float32)
    ours = resized(torch.from_numpy(picture)[None, None].double(), (8, 8))
    theirs = Image.fromarray(picture).resize((8, 8), Image.Resampling.BILINEAR)
    # Pillow sums in float64 and rounds each of its two passes to float32
    assert ours[0, 0].numpy() == pytest.approx(np.asarray(theirs), abs=3e-7)


def test_a_picture_of_the_right_size_is_left_alone():
    x = torch.rand(2, 1, 8, 8)
    assert resized(x, (8, 8)) is x


def test_raw_features_are_the_pixels():
    images = torch.tensor([[[[0, 255]], [[51, 102]], [[1, 2]]]], dtype=torch.uint8)
    extract = open_extractor("raw")
    features, probabilities = extract(images)
    assert features.dtype == torch.float32
    assert features.tolist() == [pytest.approx([0, 1, 0.2, 0.4, 1 / 255, 2 / 255], rel=1e-7)]
    assert probabilities is None
    assert len(extract.digest) == 64


@pytest.mark.parametrize("name", ["digits", "raw"])
@pytest.mark.parametrize(
    ("images", "line"),
    [
        (torch.zeros(2, 1, 8, 8), "images: must be a uint8 tensor, got float32"),
        (np.zeros((2, 1, 8, 8), np.uint8), "images: must be a uint8 tensor, got ndarray"),
        (
            torch.zeros(2, 8, 8, dtype=torch.uint8),
            r"images: must be \(B, 1 or 3, H, W\), got shape \(2, 8, 8\)",
        ),
        (
            torch.zeros(2, 4, 8, 8, dtype=torch.uint8),
            r"images: must be \(B, 1 or 3, H, W\), got shape \(2, 4, 8, 8\)",
        ),
        (
            torch.zeros(2, 1, 0, 8, dtype=torch.uint8),
            r"images: must be \(B, 1 or 3, H, W\), got shape \(2, 1, 0, 8\)",
        ),
    ],
)
def test_what_are_no_pictures_is_refused(name, images, line):
    with pytest.raises(InputError, match=f"^{line}$"):
        open_extractor(name)(images)


@pytest.mark.parametrize("name", ["digits", "raw"])
def test_no_picture_gives_no_row(name):
    features, probabilities = open_extractor(name)(torch.zeros(0, 3, 5, 7, dtype=torch.uint8))
    assert features.shape == (0, 64 if name == "digits" else 105)
    assert probabilities is None or probabilities.shape == (0, 10)


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        (
            "digit",
            {},
            "features: unknown name 'digit'; did you mean 'digits'? known: .*digits, raw, "
            "or the path of a file or folder",
        ),
        ("nets/mine.pt2", {}, "features: there is no file or folder 'nets/mine.pt2'"),
        ("mine.pt2", {}, "features: there is no file or folder 'mine.pt2'"),
        ("raw", {"weights": "a.pth"}, "weights: raw has none, got 'a.pth'"),
        ("raw", {"device": "gpu"}, "device: must be cpu or cuda, got 'gpu'"),
        ("raw", {"device": "meta"}, "device: must be cpu or cuda, got 'meta'"),
        ("digits", {"device": "cuda:99"}, r"device: torch finds no cuda:99, only \d+ GPUs"),
    ],
)
def test_what_cannot_be_opened_is_told_in_a_line(name, options, line):
    with pytest.raises(InputError, match=f"^{line.replace('?', '[?]')}$"):
        open_extractor(name, **options)


def test_every_name_leads_to_a_function():
    for entry in EXTRACTORS.values():
        assert callable(entry.load())


BLOCKED = """
import sys
for name in ("torchvision", "torch_fidelity", "PIL", "sklearn"):
    sys.modules[name] = None  # an import of it raises ImportError
import torch
from genbench.metrics.extractors import open_extractor
images = torch.randint(0, 256, (3, 3, 9, 9), dtype=torch.uint8)
print(*(tuple(open_extractor(name)(images).features.shape) for name in ("raw", "digits")))
"""


def test_raw_and_digits_need_no_other_package():
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("(3, 243) (3, 64)\n", 0), done.stderr


def test_the_names_load_no_torch():
    program = "import sys, genbench.metrics.extractors as e; e.EXTRACTORS; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert {"torch", "numpy"} & set(done.stdout.split()) == set()
    assert "genbench.metrics.extractors" in done.stdout.split()
