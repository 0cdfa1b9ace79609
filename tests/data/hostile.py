"""Damaged and harmful files on disk: name -> writer, and a part of the line that is expected.

Each writer takes a folder and returns the path to open.
"""

import gzip
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hostile_bytes import (
    FEATURES,
    archive,
    bad_sum,
    bomb,
    changed,
    declared,
    encrypted,
    gzip_bomb,
    header,
    idx,
    lying_zip,
    noise,
    png,
    safetensors,
    twice,
)
from PIL import Image

MARKER = "executed"


class Harm:
    """Leaves a file where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.folder / MARKER,))


Writer = Callable[[Path], Path]


def file(name: str, content: bytes | Callable[[], bytes]) -> Writer:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content())
        return folder / name

    return write


def picture(name: str, content: bytes | Callable[[], bytes]) -> Writer:
    """A folder with a whole picture and a bad one."""

    def write(folder: Path) -> Path:
        (folder / "0.png").write_bytes(png(4, 4))
        file(name, content)(folder)
        return folder

    return write


def object_npy(folder: Path) -> Path:
    array = np.empty(2, dtype=object)
    array[:] = Harm(folder)
    np.save(folder / "x.npy", array, allow_pickle=True)
    return folder / "x.npy"


def object_npz(folder: Path) -> Path:
    array = np.empty(2, dtype=object)
    array[:] = Harm(folder)
    np.savez(folder / "x.npz", array, allow_pickle=True)
    return folder / "x.npz"


def bare_pickle(name: str) -> Writer:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(pickle.dumps(Harm(folder)))
        return folder / name

    return write


def folder_as_array(folder: Path) -> Path:
    (folder / "x.npy").mkdir()
    return folder / "x.npy"


def circle(folder: Path) -> Path:
    (folder / "a").mkdir()
    (folder / "a" / "back").symlink_to(folder)
    return folder


def maze(folder: Path) -> Path:
    """Thirty folders with two links each to the next: 2^30 ways through."""
    for level in range(30):
        (folder / f"{level}").mkdir()
        for way in "ab":
            (folder / f"{level}" / way).symlink_to(folder / f"{level + 1}")
    (folder / "30").mkdir()
    return folder / "0"


def link_to_itself(folder: Path) -> Path:
    (folder / "a.png").symlink_to(folder / "a.png")
    return folder


def broken_link(folder: Path) -> Path:
    (folder / "a.png").symlink_to(folder / "gone")
    return folder


def device(folder: Path) -> Path:
    (folder / "a.png").symlink_to("/dev/zero")
    return folder


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x.npy")
    return folder / "x.npy"


def piped_picture(folder: Path) -> Path:
    os.mkfifo(folder / "a.png")
    return folder


def odd_name(folder: Path) -> Path:
    (folder / "a\n\x1b[2Jb.png").write_bytes(b"no picture")
    return folder


def bytes_name(folder: Path) -> Path:
    (folder / os.fsdecode(b"\xff\xfe.png")).write_bytes(b"no picture")
    return folder


def frames(name: str) -> Writer:
    def write(folder: Path) -> Path:
        images = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
        images[0].save(folder / name, save_all=True, append_images=images[1:])
        return folder

    return write


def looped_tiff(folder: Path) -> Path:
    """A directory of the file that is its own successor."""
    content = io.BytesIO()
    Image.new("L", (4, 4)).save(content, "TIFF")
    data = content.getvalue()
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    place = start + 2 + 12 * count
    (folder / "a.tif").write_bytes(changed(data, place, struct.pack("<I", start)))
    return folder


DEEP = "(" * 4000
HOSTILE: dict[str, tuple[Writer, str]] = {
    "npy-empty": (file("x.npy", b""), "is no .npy array"),
    "npy-magic": (file("x.npy", b"<html>not found</html>"), "is no .npy array"),
    "npy-version": (file("x.npy", header("{}", version=9)), "format version 9"),
    "npy-long-header": (
        file("x.npy", header("", version=2, length=2**31)),
        "declares a header",
    ),
    "npy-cut-header": (file("x.npy", FEATURES[:40]), "ends inside its header"),
    "npy-header-code": (
        file("x.npy", header("__import__('os').system('true')")),
        "cannot be parsed",
    ),
    "npy-header-nested": (file("x.npy", header(DEEP)), "cannot be parsed"),
    "npy-header-unary": (file("x.npy", header("-" * 9000 + "1")), "cannot be parsed"),
    "npy-header-digits": (file("x.npy", declared(f"({'9' * 9000},)")), "cannot be parsed"),
    "npy-header-keys": (file("x.npy", header("{'descr': '<f4'}")), "must have a .npy header of"),
    "npy-header-unhashable": (file("x.npy", header("{[]: 1}")), "cannot be parsed"),
    "npy-truncated": (
        file("x.npy", FEATURES[:-1]),
        "truncated: declares shape (4, 3) of float32",
    ),
    "npy-garbage": (file("x.npy", FEATURES + b"\0"), "has bytes behind its array"),
    "npy-two-arrays": (file("x.npy", FEATURES * 2), "has bytes behind its array"),
    "npy-absurd": (file("x.npy", declared("(1000000000000, 3)")), "is truncated"),
    "npy-overflow": (file("x.npy", declared(f"({2**32}, {2**32})")), "declares the absurd shape"),
    "npy-many-axes": (file("x.npy", declared(f"({'0, ' * 900})")), "declares the absurd shape"),
    "npy-negative": (file("x.npy", declared("(-1, 3)")), "whole numbers >= 0, got (-1, 3)"),
    "npy-bool-shape": (file("x.npy", declared("(True, 3)")), "whole numbers >= 0"),
    "npy-float-shape": (file("x.npy", declared("(1e3, 3)")), "whole numbers >= 0"),
    "npy-order": (file("x.npy", declared("(1, 3)", order="'yes'")), "fortran_order True or False"),
    "npy-object": (object_npy, "Python objects are never unpickled"),
    "npy-record": (file("x.npy", declared("(1, 3)", "[('a', '<f4')]")), "must hold numbers"),
    "npy-text": (file("x.npy", declared("(1, 3)", "'<U5'")), "must hold numbers, got dtype '<U5'"),
    "npy-date": (file("x.npy", declared("(1, 3)", "'<M8[s]'")), "must hold numbers"),
    "npy-pipe": (pipe, "must be a regular file"),
    "npz-no-zip": (file("x.npz", FEATURES), "is damaged: File is not a zip file"),
    "npz-empty-zip": (file("x.npz", archive(b"", "readme.txt")), "must hold .npy members"),
    "npz-cut": (file("x.npz", archive(FEATURES)[:-30]), "is damaged"),
    "npz-bad-sum": (file("x.npz", bad_sum), "is damaged: Bad CRC-32"),
    "npz-encrypted": (file("x.npz", encrypted), "is encrypted"),
    "npz-lzma": (file("x.npz", archive(FEATURES, method=zipfile.ZIP_LZMA)), "got method 14"),
    "npz-object": (object_npz, "Python objects are never unpickled"),
    "npz-no-npy-inside": (file("x.npz", archive(b"<html>")), "member arr_0.npy is no .npy array"),
    "npz-truncated-member": (file("x.npz", archive(FEATURES[:-4])), "arr_0.npy is truncated"),
    "npz-lying-small": (file("x.npz", lying_zip(40)), "is damaged: Bad CRC-32"),
    "npz-lying-large": (file("x.npz", lying_zip(2**31)), "declares 2147483648 bytes, more than"),
    "npz-lying-stored": (file("x.npz", lying_zip(9999, zipfile.ZIP_STORED)), "stored as they are"),
    "npz-bomb": (file("x.npz", bomb), "is taken for a bomb"),
    "npz-two-of-a-name": (file("x.npz", twice), "holds two members of one name"),
    "npz-traversal": (
        file("x.npz", archive(declared("(-1, 3)"), "../../evil.npy")),
        "member ../../evil.npy must declare a shape",
    ),
    "npz-odd-name": (
        file("x.npz", archive(b"x", "a\n\x1b[2J.npy")),
        r"member a\n\x1b[2J.npy is no .npy array",
    ),
    "safetensors-empty": (file("x.safetensors", b""), "is no valid .safetensors file"),
    "safetensors-length": (
        file("x.safetensors", safetensors(b"{}", length=2**63)),
        "is no valid .safetensors file",
    ),
    "safetensors-offsets": (
        file(
            "x.safetensors",
            safetensors(b'{"a":{"dtype":"F32","shape":[9,9],"data_offsets":[0,324]}}', bytes(8)),
        ),
        "is no valid .safetensors file",
    ),
    "safetensors-nothing": (file("x.safetensors", safetensors(b"{}")), "got nothing"),
    "idx-magic": (
        file("x-idx3-ubyte", b"<html>"),
        "is no IDX file: must begin with two zero",
    ),
    "idx-type": (file("x-idx3-ubyte", idx(2, 3, 4, code=0x0A)), "is no IDX file"),
    "idx-cut-header": (file("x-idx3-ubyte", idx(2, 3, 4)[:9]), "ends inside its header of 3 axes"),
    "idx-truncated": (file("x-idx3-ubyte", idx(2, 3, 4, data=23)), "is truncated: declares shape"),
    "idx-garbage": (file("x-idx3-ubyte", idx(2, 3, 4, data=25)), "has bytes behind its values"),
    "idx-absurd": (file("x-idx3-ubyte", idx(*[2**32 - 1] * 3, data=0)), "is truncated"),
    "idx-labels": (file("train-labels-idx1-ubyte", idx(10)), "name the file of pictures"),
    "idx-gz-cut": (file("x-idx3-ubyte.gz", gzip.compress(idx(2, 30, 40))[:-9]), "is damaged"),
    "idx-gz-sum": (
        file("x-idx3-ubyte.gz", changed(gzip.compress(idx(2, 3, 4)), -8, b"\0\1")),
        "is damaged: CRC check failed",
    ),
    "idx-gz-absurd": (
        file("x.gz", gzip.compress(idx(2**20, 2**10, 2**10, data=0))),
        "packed can hold",
    ),
    "idx-gz-bomb": (file("x.gz", gzip_bomb), "has bytes behind its values"),
    "idx-gz-no-idx": (file("x.tar.gz", gzip.compress(b"ustar")), "is no IDX file"),
    "pickle": (bare_pickle("x.pkl"), "may hold code and is never loaded"),
    "torch-pickle": (bare_pickle("x.pt"), "may hold code and is never loaded"),
    "other-file": (file("x.html", b"<html>"), "got a file ending in '.html'"),
    "one-picture": (file("x.png", png(4, 4)), "name the folder of the picture"),
    "missing": (lambda folder: folder / "gone", "cannot be read: No such file or directory"),
    "below-a-file": (
        lambda folder: file("x.npy", FEATURES)(folder) / "y.npy",
        "cannot be read: Not a directory",
    ),
    "folder-empty": (lambda folder: folder, "holds no picture (.bmp, .jpg,"),
    "folder-as-array": (folder_as_array, "x.npy holds no picture"),
    "picture-empty": (picture("1.png", b""), "1.png is no picture"),
    "picture-html": (picture("1.jpg", b"<html>"), "is no picture: must be BMP, JPEG"),
    "picture-cut": (
        picture("0.png", noise("PNG", 64)[:-999]),
        "0.png is a damaged picture",
    ),
    "picture-cut-jpeg": (picture("0.png", noise("JPEG", 64)[:-400]), "image file is truncated"),
    "picture-short": (picture("1.png", png(4, 4, body=bytes(7))), "1.png is a damaged picture"),
    "picture-bomb": (picture("1.png", png(10000, 9000, b"")), "declares 10000 x 9000 pixels"),
    "picture-huge-bomb": (picture("1.png", png(2**31 - 1, 2**31 - 1, b"")), "declares more than"),
    "picture-other-format": (picture("0.png", lambda: noise("GIF", 64)), "must be BMP, JPEG"),
    "picture-postscript": (
        picture("1.png", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
        "is no picture: must be BMP, JPEG",
    ),
    "picture-frames-png": (frames("a.png"), "must hold one picture, got several frames"),
    "picture-frames-tiff": (frames("a.tif"), "must hold one picture, got several frames"),
    "picture-frames-webp": (frames("a.webp"), "must hold one picture, got several frames"),
    "picture-broken-link": (broken_link, "a.png cannot be read: No such file"),
    "picture-link-to-itself": (
        link_to_itself,
        "a.png cannot be read: Too many levels",
    ),
    "picture-device": (device, "a.png must be a regular file, got c"),
    "picture-pipe": (piped_picture, "a.png must be a regular file, got p"),
    "picture-odd-name": (odd_name, r"a\n\x1b[2Jb.png is no picture"),
    "picture-bytes-name": (bytes_name, r"\udcff\udcfe.png is no picture"),
    "folder-circle": (circle, "is a folder that links lead to a second time"),
    "folder-maze": (maze, "is a folder that links lead to a second time"),
}
