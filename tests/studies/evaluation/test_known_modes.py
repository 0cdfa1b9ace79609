"""The modes a user gives: by name, in an .npz, and every fault as one line."""

import io
import zipfile

import numpy as np
import pytest

from genbench.errors import InputError
from genbench.studies.evaluation.known_modes import open_modes

MEANS = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize("sigma", [0.5, np.float32(0.5), np.array([0.5]), np.array([[0.5]])])
def test_own_modes(tmp_path, sigma):
    np.savez(tmp_path / "mine.npz", means=MEANS, sigma=sigma)
    found = open_modes(tmp_path / "mine.npz")
    assert found.means.tolist() == MEANS.tolist() and found.sigma == 0.5 and found.name == "mine"


@pytest.mark.parametrize("kind", ["f4", ">f8", "i4"])
def test_any_real_numbers(tmp_path, kind):
    np.savez_compressed(tmp_path / "mine.npz", means=MEANS.astype(kind), sigma=1)
    assert open_modes(tmp_path / "mine.npz").means.tolist() == MEANS.tolist()


def test_a_name():
    assert len(open_modes("spiral").means) == 100


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"means": MEANS}, "must hold means and sigma, got means and no sigma"),
        ({"sigma": 1.0}, "must hold means and sigma, got sigma and no means"),
        ({"means": MEANS[0], "sigma": 1.0}, "got shapes (2,) and (1,)"),
        ({"means": MEANS[:0], "sigma": 1.0}, "got shapes (0, 2) and (1,)"),
        ({"means": MEANS, "sigma": [1.0, 2.0]}, "one sigma, got shapes (3, 2) and (2,)"),
        ({"means": MEANS, "sigma": 0.0}, "finite means and sigma > 0"),
        ({"means": MEANS, "sigma": np.nan}, "finite means and sigma > 0"),
        ({"means": MEANS + np.inf, "sigma": 1.0}, "finite means and sigma > 0"),
        ({"means": MEANS * 1j, "sigma": 1.0}, "real numbers, got complex128"),
        ({"means": np.zeros((2**20, 9)), "sigma": 1.0}, "must hold at most 67108864 bytes"),
    ],
)
def test_bad_modes_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError) as caught:
        open_modes(tmp_path / "bad.npz")
    line = str(caught.value)
    assert line.startswith("modes: ") and words in line and "\n" not in line


def test_damaged_files_are_refused(tmp_path):
    np.savez(tmp_path / "whole.npz", means=MEANS, sigma=1.0)
    content = (tmp_path / "whole.npz").read_bytes()
    for name, part in (("cut", content[:200]), ("empty", b""), ("text", b"means")):
        (tmp_path / f"{name}.npz").write_bytes(part)
        with pytest.raises(InputError, match=r"^modes: .*is damaged"):
            open_modes(tmp_path / f"{name}.npz")


def test_a_pickle_is_never_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "objects.npz", "w") as archive:
        for name in ("means", "sigma"):
            content = io.BytesIO()
            np.save(content, np.array([{}], dtype=object), allow_pickle=True)
            archive.writestr(f"{name}.npy", content.getvalue())
    with pytest.raises(InputError, match="never unpickled"):
        open_modes(tmp_path / "objects.npz")


def test_another_kind_of_file_is_an_unknown_name():
    with pytest.raises(InputError, match="modes: unknown name 'ring9'; did you mean 'ring8'"):
        open_modes("ring9")
