"""Files as data: rows, pictures, known modes beside them, and bad input in one line."""

import numpy as np
import pytest
import torch

from genbench.data import mixture
from genbench.errors import InputError
from genbench.studies.tasks import ArrayTask, make_tasks


@pytest.fixture
def ring(tmp_path):
    """A file of 1,000 points of ring8, and one of its modes."""
    m = mixture("ring8")
    np.save(tmp_path / "mine.npy", m.sample(1_000, torch.Generator().manual_seed(0)).numpy())
    np.savez(tmp_path / "modes.npz", means=m.means.numpy(), sigma=m.sigma)
    return tmp_path


def test_rows_of_a_file(ring, monkeypatch):
    (task,) = make_tasks(str(ring / "mine.npy"))
    assert isinstance(task, ArrayTask) and task.name == "mine" and task.modes() == 50
    assert np.array_equal(task.x, np.load(ring / "mine.npy"))
    monkeypatch.chdir(ring)
    assert [t.name for t in make_tasks(["mine.npy", "ring8"])] == ["mine", "ring8"]
    assert make_tasks({"other": ring / "mine.npy"})[0].name == "other"
    assert make_tasks(ring / "mine.npy")[0].digest == task.digest


def test_archives(ring):
    x = np.load(ring / "mine.npy").astype(np.float32)
    np.savez_compressed(ring / "packed.npz", samples=x)
    (task,) = make_tasks(str(ring / "packed.npz"))
    assert isinstance(task, ArrayTask) and np.array_equal(task.x, x)


def test_pictures_become_minus_one_to_one(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (600, 3, 8, 8), dtype=np.uint8)
    images[0, 0, 0, :2] = 0, 255
    np.save(tmp_path / "pictures.npy", images)
    (task,) = make_tasks(str(tmp_path / "pictures.npy"))
    assert isinstance(task, ArrayTask) and task.data_shape == (3, 8, 8)
    assert (task.x.min(), task.x.max()) == (-1, 1) and task.x.dtype == np.float32
    assert np.allclose((task.x + 1) * 127.5, images, atol=1e-4)


@pytest.mark.parametrize("modes", ["file", "ring8", mixture("ring8")])
def test_known_modes_beside_a_file(ring, modes):
    given = ring / "modes.npz" if modes == "file" else modes
    tasks = make_tasks(["grid25", str(ring / "mine.npy")], modes=given)
    assert [task.modes() for task in tasks] == [25, 8]
    assert tasks[1].floor(500)["modes_held"] == 8
    assert tasks[1].floor(500)["high_quality"] == pytest.approx(0.99, abs=0.02)


@pytest.mark.parametrize(
    ("data", "modes", "words"),
    [
        ("ring9", None, "data: unknown name 'ring9'; did you mean 'ring8'"),
        ("", None, "data: unknown name ''"),
        ("no.npy", None, "data: no.npy cannot be read: No such file"),
        ("folder/none", None, "data: folder/none cannot be read: No such file"),
        ("cut.npy", None, "data: cut.npy is truncated"),
        ("text.npy", None, "data: text.npy is no .npy array"),
        ("moments.npz", None, "data: 'moments.npz' holds moments, not samples"),
        ("short.npy", None, "data: 'short' must have at least 500 rows, got 9"),
        ("nan.npy", None, "data: 'nan' must be finite"),
        ("mine.npy", "ring9", "modes: unknown name 'ring9'"),
        ("mine.npy", "none.npz", "modes: none.npz cannot be read"),
        ("mine.npy", "veegan1200", "modes: must lie in the (2,) of data 'mine', got 1200 dimens"),
        ("ring8", "modes.npz", "modes: only a file or an array takes them, got ring8"),
        (["mine.npy", "mine.npy"], None, "data: 'mine' is named twice"),
    ],
)
def test_bad_files_are_one_line(ring, monkeypatch, data, modes, words):
    monkeypatch.chdir(ring)
    whole = (ring / "mine.npy").read_bytes()
    (ring / "cut.npy").write_bytes(whole[:5_000])
    (ring / "text.npy").write_bytes(b"points, and no array")
    np.savez(ring / "moments.npz", mu=np.zeros(2), sigma=np.eye(2))
    np.save(ring / "short.npy", np.zeros((9, 2)))
    np.save(ring / "nan.npy", np.full((600, 2), np.nan))
    with pytest.raises(InputError) as caught:
        make_tasks(data, modes=modes)
    line = str(caught.value)
    assert line.startswith(words) and "\n" not in line


def test_data_sets_that_need_a_folder(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (700, 4, 4), dtype=np.uint8)
    head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4) for n in x.shape)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(head + x.tobytes())
    (task,) = make_tasks(f"mnist={tmp_path}")
    assert (task.name, task.data_shape) == ("mnist", (1, 4, 4))
    with pytest.raises(InputError, match="data: mnist lies on your disk: give its folder"):
        make_tasks("mnist")
