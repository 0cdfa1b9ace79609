"""Damaged and harmful files: one clear line each, nothing run, little memory, no hang."""

import gzip
import io
import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hostile import HOSTILE, MARKER, looped_tiff
from hostile_bytes import EDITS, edited, idx, npy, png
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save

from genbench.data import open_samples
from genbench.errors import InputError


def use(path: Path) -> None:
    """Everything an evaluation does with a path."""
    samples = open_samples(path, argument="fake")
    if samples.kind != "moments":
        rows = samples.read(0, len(samples))
        assert rows.shape == (len(samples), *samples.shape)
    assert len(samples.digest(0, len(samples))) == 64
    for name in ("labels", "mu", "sigma"):
        samples.extra(name)


@pytest.mark.parametrize("name", HOSTILE)
def test_one_clear_line(tmp_path, name):
    write, expected = HOSTILE[name]
    path = write(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            use(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(caught.value)
    assert line.startswith(f"fake: {tmp_path}")
    assert expected in line
    assert line.isprintable() and len(line) < 400 + len(str(tmp_path))
    assert not (tmp_path / MARKER).exists()
    assert peak < 2**26  # 4 x the pieces that large files are read in


def test_a_marker_is_left_where_a_pickle_is_loaded(tmp_path):
    np.load(HOSTILE["npy-object"][0](tmp_path), allow_pickle=True)
    assert (tmp_path / MARKER).exists()


def test_a_tiff_whose_directories_run_in_a_circle_is_one_picture(tmp_path):
    use(looped_tiff(tmp_path))


LIMITED = """
import resource, sys
from pathlib import Path
from genbench.data import open_samples
from genbench.errors import InputError
import numpy, safetensors, PIL.Image
PIL.Image.preinit(); PIL.Image.init()
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 2**27
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in sys.argv[1:]:
    try:
        samples = open_samples(path)
        samples.read(0, len(samples))
        print("accepted", path)
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_all_of_them_fit_in_128_mib(tmp_path):
    """The system's own limit on everything a process asks for, C libraries included."""
    paths = []
    for name, (write, _) in HOSTILE.items():
        (tmp_path / name).mkdir()
        paths.append(str(write(tmp_path / name)))
    command = [sys.executable, "-c", LIMITED, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert done.stderr == ""  # no warning beside the lines
    assert [n for n, line in zip(HOSTILE, lines, strict=True) if HOSTILE[n][1] not in line] == []


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="POSIX permissions")
@pytest.mark.parametrize(
    "name", ["x.npy", "x.npz", "x.safetensors", "x-idx3-ubyte", "a/x.png", "a"]
)
def test_what_may_not_be_read(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if "." not in name and "-" not in name else path.write_bytes(png(4, 4))
    path.chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:  # pytest's own folders
            folder.chmod(0o755)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything
    try:
        with pytest.raises(InputError, match=rf"^real: .*{Path(name).name} cannot be read: Perm"):
            open_samples(path.parent if name == "a/x.png" else path)
    finally:
        os.seteuid(user)
        path.chmod(0o700)


def pictures(kind: str, **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **options)  # type: ignore[arg-type]
    return content.getvalue()


def archived(method: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as opened:
        opened.writestr("features.npy", npy(np.arange(12.0).reshape(4, 3)))
        opened.writestr("labels.npy", npy(np.arange(4)))
    return content.getvalue()


VALID = {
    "x.npy": npy(np.linspace(0, 1, 48, dtype="f4").reshape(3, 4, 4)),
    "stored.npz": archived(zipfile.ZIP_STORED),
    "packed.npz": archived(zipfile.ZIP_DEFLATED),
    "x.safetensors": save({"features": np.ones((4, 3), "f4"), "b": np.ones(5)}),
    "x-idx3-ubyte": idx(3, 4, 4),
    "x-idx3-ubyte.gz": gzip.compress(idx(3, 4, 4)),
    "a.png": pictures("PNG"),
    "a.jpg": pictures("JPEG"),
    "a.bmp": pictures("BMP"),
    "a.tif": pictures("TIFF", compression="tiff_lzw"),
    "a.webp": pictures("WEBP"),
    "a.ppm": pictures("PPM"),
}
PICTURES = [name for name in VALID if name.startswith("a.")]
ARRAYS = [name for name in VALID if name not in PICTURES]


def written(folder: Path, name: str, content: bytes) -> Path:
    """What to open: the file, or the folder of its own that a picture lies in."""
    path = folder / f"in-{name}" / name
    path.write_bytes(content)
    return path.parent if name in PICTURES else path


@pytest.fixture(scope="module")
def folder():
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # thousands of small writes
    with TemporaryDirectory(prefix="genbench-", dir=memory) as name:
        yield Path(name)


# Parsers of our own get the full number of cases each, Pillow's share one.
@pytest.mark.parametrize("names", [*([name] for name in ARRAYS), PICTURES], ids=" ".join)
def test_mutations_raise_input_errors_alone(folder, names):
    for name in names:
        (folder / f"in-{name}").mkdir()
        use(written(folder, name, VALID[name]))
    refused = []

    @given(st.sampled_from(names), EDITS)
    def mutate(name, edits):
        target = written(folder, name, edited(VALID[name], edits))
        try:
            use(target)
        except InputError as error:
            assert str(error).startswith("fake: ") and str(error).isprintable()
            refused.append(name)

    mutate()
    assert len(refused) > 30  # the edits do damage
