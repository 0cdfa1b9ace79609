"""Folders of pictures: modes, sizes, order; against pixels set by hand."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genbench.data import open_samples
from genbench.data.images import PIXEL_LIMIT
from genbench.errors import InputError


def colours(height: int = 6, width: int = 5) -> np.ndarray:
    """(height, width, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def only(folder: Path) -> np.ndarray:
    """The single picture of a folder, (C, H, W)."""
    samples = open_samples(folder)
    assert (samples.kind, len(samples)) == ("images", 1)
    got = samples.read(0, 1)
    assert got.dtype == np.uint8 and got.shape[1:] == samples.shape
    return got[0]


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "TIFF", "ppm", "PNG"])
def test_lossless_colour(tmp_path, ending):
    x = colours()
    save(tmp_path / f"a.{ending}", x)
    np.testing.assert_array_equal(only(tmp_path), x.transpose(2, 0, 1))


def test_lossless_webp(tmp_path):
    save(tmp_path / "a.webp", x := colours(), lossless=True)
    np.testing.assert_array_equal(only(tmp_path), x.transpose(2, 0, 1))


def test_jpeg_is_near(tmp_path):
    x = np.full((16, 16, 3), [200, 100, 50], np.uint8)
    save(tmp_path / "a.jpg", x, quality=95)
    # one level of YCbCr is up to 1.8 levels of RGB
    assert np.abs(only(tmp_path).astype(int) - x.transpose(2, 0, 1)).max() <= 2


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "pgm"])
def test_grey_stays_one_channel(tmp_path, ending):
    x = colours()[..., 0]
    save(tmp_path / f"a.{ending}", x)
    np.testing.assert_array_equal(only(tmp_path), x[None])
    assert open_samples(tmp_path).conventions["channels"] == "grey"


def test_two_levels_are_black_and_white(tmp_path):
    x = colours()[..., 0] > 128
    save(tmp_path / "a.png", x)
    assert Image.open(tmp_path / "a.png").mode == "1"
    np.testing.assert_array_equal(only(tmp_path), x[None] * 255)


def test_grey_among_colours_is_repeated(tmp_path):
    x = colours()
    save(tmp_path / "a.png", x)
    save(tmp_path / "b.png", x[..., 1])
    samples = open_samples(tmp_path)
    assert samples.shape == (3, 6, 5)
    np.testing.assert_array_equal(samples.read(1, 2)[0], np.repeat(x[None, ..., 1], 3, axis=0))
    assert samples.conventions["channels"].startswith("RGB; 1 of 2 are grey")


def test_a_palette_becomes_its_colours(tmp_path):
    x = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    save(tmp_path / "a.png", x, "P")
    np.testing.assert_array_equal(only(tmp_path), x.transpose(2, 0, 1))


def test_what_is_transparent_lies_on_white(tmp_path):
    x = np.zeros((1, 3, 4), np.uint8)
    x[0, :, 0] = 100
    x[0, :, 3] = [255, 51, 0]  # opaque, a fifth, not at all
    save(tmp_path / "a.png", x)
    red, green, _ = only(tmp_path)
    assert red[0].tolist() == [100, 255 - (255 - 100) // 5, 255]
    assert green[0].tolist() == [0, 255 - 51, 255]
    assert open_samples(tmp_path).conventions["alpha"] == "1 of 1 have one: laid on white"


def test_transparent_grey_and_palettes_too(tmp_path):
    save(tmp_path / "la" / "a.png", np.array([[[100, 255], [100, 0]]], np.uint8))
    assert only(tmp_path / "la").tolist() == [[[100, 255]]]
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    (tmp_path / "p").mkdir()
    image.save(tmp_path / "p" / "a.png", transparency=1)
    assert only(tmp_path / "p").tolist() == [[[10, 255]], [[20, 255]], [[30, 255]]]


def test_cmyk_becomes_rgb_and_says_so(tmp_path):
    x = np.zeros((1, 2, 4), np.uint8)
    x[0, 1] = [0, 255, 255, 0]  # no ink is white; magenta and yellow are red
    Image.fromarray(x, "CMYK").save(tmp_path / "a.tif")
    assert only(tmp_path)[:, 0].T.tolist() == [[255, 255, 255], [255, 0, 0]]
    assert open_samples(tmp_path).conventions["CMYK"].startswith("1 of 1")


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4", "<f4"])
def test_more_than_8_bits_are_refused(tmp_path, dtype):
    save(tmp_path / "a.tif", np.ones((4, 4), dtype))
    with pytest.raises(InputError, match=r"a\.tif must have 8 bits a channel, got mode [IF]"):
        open_samples(tmp_path)


def test_colours_of_16_bits_are_refused(tmp_path):
    """Pillow would drop the low byte without a word."""
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    body = zlib.compress(b"\0" + bytes([1, 2, 3, 4, 5, 6]))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    assert Image.open(tmp_path / "a.png").mode == "RGB"
    with pytest.raises(InputError, match="got mode RGB of 16 bits"):
        open_samples(tmp_path)


def test_exif_rotation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    save(tmp_path / "a.png", x := colours(), exif=exif)
    np.testing.assert_array_equal(only(tmp_path), x.transpose(2, 0, 1))
    assert "EXIF rotation ignored" in open_samples(tmp_path).conventions["decoder"]


def test_order_is_of_relative_paths_and_skips_what_is_no_picture(tmp_path):
    names = ["b.png", "a/z.png", "a.png", "a/b/c.png", "Z.png", "ä.png", "10.png", "9.png"]
    for level, name in enumerate(names):
        save(tmp_path / name, np.full((2, 2), level, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._b.png").write_bytes(b"what macOS leaves")
    save(tmp_path / ".thumbnails" / "b.png", np.zeros((9, 9), np.uint8))
    samples = open_samples(tmp_path)
    expected = sorted(names, key=lambda name: name.encode())
    assert [names[level] for level in samples.read(0, len(samples))[:, 0, 0, 0]] == expected


def test_linked_folders_and_files_are_read(tmp_path):
    save(tmp_path / "elsewhere" / "a.png", colours())
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "b.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    assert len(open_samples(tmp_path / "set")) == 2


def test_different_sizes_name_the_first_two_and_the_remedy(tmp_path):
    save(tmp_path / "a.png", colours(6, 5))
    save(tmp_path / "b.png", colours(6, 5))
    save(tmp_path / "c.png", colours(5, 6))
    save(tmp_path / "d.png", colours(4, 4))
    line = r"got a\.png of 5 x 6 and c\.png of 6 x 5 \(width x height\): --size N"
    with pytest.raises(InputError, match=line):
        open_samples(tmp_path, argument="fake")
    samples = open_samples(tmp_path, size=4)
    assert samples.shape == (3, 4, 4)
    np.testing.assert_array_equal(samples.read(3, 4)[0], colours(4, 4).transpose(2, 0, 1))
    assert samples.conventions["size"].startswith("4 x 4, bicubic with antialiasing")


def test_resizing_is_antialiased(tmp_path):
    """Stripes one pixel wide become grey; picking pixels would keep them black or white."""
    x = np.zeros((64, 64), np.uint8)
    x[:, ::2] = 255
    save(tmp_path / "set" / "a.png", x)
    np.save(tmp_path / "a.npy", x[None])
    inner = open_samples(tmp_path / "set", size=8).read(0, 1)
    # the filter is cut off at the outer columns; one level for weights rounded to 8 bits
    assert np.abs(inner[..., 1:-1].astype(int) - 127.5).max() <= 1.5
    # a file of arrays is resized in the same way
    np.testing.assert_array_equal(inner, open_samples(tmp_path / "a.npy", size=8).read(0, 1))


def test_digests_follow_content_and_order(tmp_path):
    for folder, names in {"one": "abc", "names": "xyz", "order": "bac"}.items():
        for level, name in enumerate(names):
            save(tmp_path / folder / f"{name}.png", np.full((2, 2), level, np.uint8))
    one, names, order = (open_samples(tmp_path / f) for f in ("one", "names", "order"))
    assert one.digest(0, 3) == names.digest(0, 3) != order.digest(0, 3)
    assert one.digest(0, 2) != one.digest(1, 3)
    assert open_samples(tmp_path / "one", size=2).digest(0, 3) != one.digest(0, 3)


def test_a_changed_picture_of_the_same_size_and_time_is_noticed(tmp_path):
    path = save(tmp_path / "a.bmp", np.zeros((4, 4), np.uint8))
    times, old = os.stat(path), open_samples(tmp_path).digest(0, 1)
    save(path, np.ones((4, 4), np.uint8))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert os.stat(path).st_size == times.st_size
    assert open_samples(tmp_path).digest(0, 1) != old


def test_a_picture_that_changes_its_size_meanwhile(tmp_path):
    path = save(tmp_path / "a.png", colours(4, 4))
    samples = open_samples(tmp_path)
    save(path, colours(5, 4))
    with pytest.raises(InputError, match=r"a\.png changed: was \(3, 4, 4\), is \(3, 5, 4\)"):
        samples.read(0, 1)


def test_the_limit_of_pixels_lets_large_pictures_pass(tmp_path):
    side = int(PIXEL_LIMIT**0.5)
    Image.new("1", (side, side)).save(tmp_path / "a.png")
    assert open_samples(tmp_path, size=8).read(0, 1).max() == 0
