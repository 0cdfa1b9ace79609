"""Damaged and harmful data sets on disk: name -> writer, and a part of the line that is expected.

Each writer takes a folder and returns what to hand to `open_dataset`.
"""

import gzip
import io
import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cifar_files import array, batch, binary, files, numbers, pickled, pictures, tar, text, write
from hostile import Harm
from hostile_bytes import changed, idx, png, zeros

Writer = Callable[[Path], str]


def hundred(content: bytes | Callable[[Path], bytes], name: str = "train") -> Writer:
    """A CIFAR-100 of which one file is bad."""

    def make(folder: Path) -> str:
        found = files("cifar100", "binary" if name.endswith((".bin", ".txt")) else "python")
        bad = content(folder) if callable(content) else content
        return f"cifar100={write(folder, found | {name: bad})}"

    return make


def packed(content: bytes | Callable[[], bytes]) -> Writer:
    """A CIFAR-100 archive of these bytes."""

    def make(folder: Path) -> str:
        path = folder / "cifar-100-python.tar.gz"
        path.write_bytes(content() if callable(content) else content)
        return f"cifar100={path}"

    return make


def member(name: str, kind: bytes = b"0", size: int | None = None, link: str = "") -> bytes:
    """An archive with one odd member before all that is asked for."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size or 0
    good = gzip.decompress(
        tar({f"cifar-100-python/{k}": v for k, v in files("cifar100", "python").items()})
    )
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + good)


def tar_bomb() -> bytes:
    """A member of a truthful 300 MiB of zeros, in a third of one."""
    info = tarfile.TarInfo("cifar-100-python/readme")
    info.size = 300 * 2**20
    head = gzip.compress(b"")[:10]
    start = info.tobuf(tarfile.USTAR_FORMAT)
    stored = b"\0" + struct.pack("<HH", len(start), 0xFFFF ^ len(start)) + start
    return head + stored + zeros(75)


def twice() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as opened:
        for _ in range(2):
            opened.addfile(tarfile.TarInfo("cifar-100-python/train"))
    return content.getvalue()


def harm(folder: Path) -> bytes:
    return pickle.dumps({"data": Harm(folder), "fine_labels": []})


def harmful_key(folder: Path) -> bytes:
    return pickle.dumps({Harm(folder): 1}, 0)


def nested() -> bytes:
    """A key of 2^60 leaves, which take memory for sixty: Python would hash for ever."""
    return b"\x80\x02}" + b"K\x01" + b"q\x01h\x01\x86" * 60 + b"K\x01s."


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "train")
    return f"cifar100={folder}"


def huge(folder: Path) -> str:
    """A file that declares itself too large without a byte on the disk."""
    write(folder, files("cifar10", "binary"))
    os.truncate(folder / "data_batch_4.bin", 2**40)
    return f"cifar10={folder}"


def idx_set(**changes: bytes) -> Writer:
    """MNIST's four files, some of them other ones."""

    def make(folder: Path) -> str:
        found = {
            "train-images-idx3-ubyte": idx(6, 4, 4),
            "train-labels-idx1-ubyte": idx(6),
            "t10k-images-idx3-ubyte": idx(2, 4, 4),
            "t10k-labels-idx1-ubyte": idx(2),
        }
        keys = {
            "train": "train-images-idx3-ubyte",
            "labels": "train-labels-idx1-ubyte",
            "test": "t10k-images-idx3-ubyte",
            "second": "train-images-of-another-idx3-ubyte",
        }
        return f"mnist={write(folder, found | {keys[k]: v for k, v in changes.items()})}"

    return make


def idx_without(*gone: str) -> Writer:
    def make(folder: Path) -> str:
        named = idx_set()(folder)
        for path in list(folder.iterdir()):
            if any(part in path.name for part in gone):
                path.unlink()
        return named

    return make


def npz(**arrays: Any) -> Writer:
    def make(folder: Path) -> str:
        np.savez(folder / "x.npz", **arrays)
        return str(folder / "x.npz")

    return make


def npy(values: np.ndarray) -> Writer:
    def make(folder: Path) -> str:
        np.save(folder / "x.npy", values)
        return str(folder / "x.npy")

    return make


def tree(**sizes: tuple[int, int]) -> Writer:
    """Pictures by path, "__" for a slash."""

    def make(folder: Path) -> str:
        for name, (width, height) in sizes.items():
            path = folder / f"{name.replace('__', '/')}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(width, height))
        return str(folder)

    return make


X = pictures(4)
LABELS = [0, 1, 2, 3]
GLOBALS = {
    "system": b"cposix\nsystem\n(S'true'\ntR.",
    "eval": b"c__builtin__\neval\n(S'1'\ntR.",
    "ndarray": b"cnumpy\nndarray\n(I9\ntR.",
}
OTHER_TAR = tar({"cifar-100-python/train": b"x" * 2**21})
HOSTILE_SETS: dict[str, tuple[Writer, str]] = {
    "pickle-runs-code": (hundred(harm), "train is a pickle that names 'pathlib Path.touch'"),
    "pickle-key-runs-code": (hundred(harmful_key), "is a pickle that names"),
    "pickle-meta-runs-code": (hundred(harm, "meta"), "meta is a pickle that names"),
    "pickle-system": (hundred(GLOBALS["system"]), "names 'posix system': nothing but arrays"),
    "pickle-eval": (hundred(GLOBALS["eval"]), "names '__builtin__ eval'"),
    "pickle-stack-global": (
        hundred(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."),
        "names 'posix system'",
    ),
    "pickle-nested-global": (hundred(b"\x80\x04)]\x93."), "is a damaged pickle"),
    "pickle-calls-a-type": (hundred(GLOBALS["ndarray"]), "calls 'numpy ndarray'"),
    "pickle-inst": (hundred(b"(S'true'\niposix\nsystem\n."), "holds objects (INST)"),
    "pickle-obj": (hundred(b"(cnumpy\nndarray\no."), "holds objects (OBJ)"),
    "pickle-newobj": (hundred(b"\x80\x02cnumpy\nndarray\n)\x81."), "holds objects (NEWOBJ)"),
    "pickle-persistent": (hundred(b"Px\n."), "holds objects (PERSID)"),
    "pickle-extension": (hundred(b"\x80\x02\x82\x01."), "holds objects (EXT1)"),
    "pickle-state": (hundred(b"\x80\x02}}b."), "sets the state of what is no array"),
    "pickle-memo-bomb": (hundred(b"\x80\x02}r\xff\xff\xff\xff."), "must hold data (n, 3072)"),
    "pickle-no-memo": (hundred(b"\x80\x02h\x07."), "is a damaged pickle"),
    "pickle-nested-key": (hundred(nested()), "is a damaged pickle"),
    "pickle-digits": (hundred(b"I" + b"9" * 10_000 + b"\n."), "is a damaged pickle"),
    "pickle-declares-much": (
        hundred(b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x."),
        "is a damaged pickle",
    ),
    "pickle-truncated": (hundred(batch(LABELS, X)[:-2000]), "is a damaged pickle"),
    "pickle-empty": (hundred(b""), "is a damaged pickle"),
    "pickle-html": (hundred(b"<html>not found</html>"), "is a damaged pickle"),
    "pickle-list": (hundred(b"\x80\x02]."), "must hold a dict, got list"),
    "pickle-objects-array": (
        hundred(pickled(data=array(X, b"O8"), fine_labels=numbers(LABELS))),
        "holds an array of 'O8', not of bytes",
    ),
    "pickle-floats-array": (
        hundred(pickled(data=array(X, b"f8"), fine_labels=numbers(LABELS))),
        "holds an array of 'f8', not of bytes",
    ),
    "pickle-lying-shape": (
        hundred(pickled(data=array(X, shape=b"J\0\0\0\x7fM\x00\x0c\x86"))),
        "declares an array of shape (2130706432, 3072) and holds 12288 bytes",
    ),
    "pickle-other-width": (
        hundred(pickled(data=array(X[:, :-1]), fine_labels=numbers(LABELS))),
        "train must hold data (n, 3072) of bytes, got ndarray (4, 3071)",
    ),
    "pickle-no-data": (hundred(pickled(fine_labels=numbers(LABELS))), "got NoneType"),
    "pickle-no-pictures": (hundred(batch([], X[:0], "fine_labels")), "at least one picture"),
    "pickle-labels-of-ten": (hundred(batch(LABELS, X)), "must hold fine_labels, a list of whole"),
    "pickle-labels-text": (
        hundred(pickled(data=array(X), fine_labels=b"](" + text(b"cat") * 4 + b"e")),
        "must hold fine_labels, a list of whole numbers",
    ),
    "pickle-labels-range": (
        hundred(batch([0, 1, 2, 100], X, "fine_labels")),
        "train must hold labels 0 to 99, got 0 to 100",
    ),
    "pickle-labels-negative": (
        hundred(batch([0, 1, -2, 3], X, "fine_labels")),
        "must hold labels 0 to 99, got -2 to 3",
    ),
    "pickle-labels-huge": (
        hundred(
            pickled(data=array(X), fine_labels=b"](K\x01K\x01K\x01\x8a\x0a" + b"\x7f" * 10 + b"e")
        ),
        "must hold labels 0 to 99",
    ),
    "pickle-labels-few": (
        hundred(batch(LABELS[:3], X, "fine_labels")),
        "must hold a label for each of 4 pictures, got 3",
    ),
    "pickle-names-few": (
        hundred(pickled(fine_label_names=b"](" + text(b"cat") + b"e"), "meta"),
        "meta must hold 100 names of classes",
    ),
    "binary-truncated": (
        hundred(binary(LABELS, X, coarse=True)[:-1], "train.bin"),
        "train.bin is truncated or no CIFAR file: 12295 bytes",
    ),
    "binary-of-ten": (hundred(binary(LABELS, X), "train.bin"), "no whole number of pictures"),
    "binary-empty": (hundred(b"", "test.bin"), "test.bin must hold at least one picture"),
    "binary-labels": (
        hundred(binary([0, 1, 2, 200], X, coarse=True), "test.bin"),
        "test.bin must hold labels 0 to 99, got 0 to 200",
    ),
    "binary-names": (hundred(b"cat\n", "fine_label_names.txt"), "must hold 100 names of classes"),
    "binary-huge": (huge, f"has {2**40} bytes, at most {2**26} are read"),
    "cifar-pipe": (pipe, "train must be a regular file"),
    "cifar-nothing": (lambda folder: f"cifar10={folder}", "must hold cifar-10-python.tar.gz or"),
    "cifar-missing": (
        lambda folder: f"cifar10={folder}/gone",
        "cannot be read: No such file or directory",
    ),
    "tar-climbs": (packed(member("../../evil")), "holds ../../evil, which leads outside"),
    "tar-absolute": (packed(member("/etc/evil")), "holds /etc/evil, which leads outside"),
    "tar-link": (packed(member("train", b"2", link="/etc/passwd")), "train, which is a symbolic"),
    "tar-hard-link": (packed(member("train", b"1", link="x")), "train, which is a link"),
    "tar-device": (packed(member("zero", b"3")), "zero, which is a device: only files are read"),
    "tar-pipe": (packed(member("pipe", b"6")), "pipe, which is of type b'6'"),
    "tar-sparse": (packed(member("holes", b"S", 0)), "holes, which is of type b'S'"),
    "tar-long-name": (packed(member("x", b"L", 0)), "x, which is of type b'L'"),
    "tar-odd-name": (packed(member("a\n\x1b[2J", b"2")), r"holds a\n\x1b[2J, which is"),
    "tar-bomb": (packed(tar_bomb), "would unpack to more than 268435456 bytes: taken for a bomb"),
    "tar-notes-bomb": (packed(member("x", b"x", 2**33 - 1)), "is truncated: ends inside a member"),
    "tar-file-too-large": (
        packed(member("cifar-100-python/train", size=2**30)),
        "declares cifar-100-python/train of 1073741824 bytes, at most 268435456",
    ),
    "tar-endless-size": (packed(member("x", size=-5)), "is no tar archive in gzip"),
    "tar-two-of-a-name": (packed(twice), "holds cifar-100-python/train twice"),
    "tar-cut": (packed(gzip.compress(gzip.decompress(OTHER_TAR)[:9000])), "is truncated: ends"),
    "tar-gz-cut": (packed(OTHER_TAR[:-600]), "is damaged: Compressed file ended"),
    "tar-checksum": (
        packed(gzip.compress(changed(gzip.decompress(OTHER_TAR), 3, b"X"))),
        "a header's checksum is wrong",
    ),
    "tar-html": (packed(gzip.compress(b"<html>" * 200)), "is no tar archive in gzip"),
    "tar-no-gzip": (packed(b"<html>not found</html>"), "is damaged: Not a gzipped file"),
    "tar-empty": (packed(b""), "is truncated: ends inside a member after 0 bytes"),
    "idx-labels-few": (idx_set(labels=idx(5)), "must hold 6 labels, one for each picture, got (5"),
    "idx-labels-are-pictures": (idx_set(labels=idx(6, 4, 4)), "must hold 6 labels"),
    "idx-labels-floats": (idx_set(labels=idx(6, code=13, data=24)), "labels as whole numbers"),
    "idx-pictures-are-labels": (idx_set(train=idx(6)), "holds 6 labels (idx1)"),
    "idx-huge": (idx_set(train=idx(*[2**32 - 1] * 3, data=0)), "is truncated"),
    "idx-none": (idx_set(train=idx(0, 4, 4)), "must hold at least one sample"),
    "idx-other-shape": (idx_set(test=idx(2, 5, 5)), "must hold rows of one shape in both parts"),
    "idx-second": (idx_set(second=idx(2, 4, 4)), "must hold one file of train images, got"),
    "idx-no-pictures": (idx_without("train-images"), "lacks the pictures to train on"),
    "idx-labels-of-one": (idx_without("t10k-labels"), "must hold labels in both parts or in none"),
    "idx-empty-folder": (lambda folder: f"mnist={folder}", "must hold IDX files such as"),
    "idx-one-row": (
        lambda folder: f"mnist={write(folder, {'train-idx3-ubyte': idx(1, 4, 4)})}",
        "must hold at least 2 rows, one of them held out, got 1",
    ),
    "npz-labels-negative": (
        npz(features=np.ones((3, 2)), labels=np.array([0, -1, 2])),
        "must hold labels 0 to 65535, got -1 to 2",
    ),
    "npz-labels-absurd": (
        npz(features=np.ones((3, 2)), labels=np.array([0, 1, 2**62])),
        "must hold labels 0 to 65535, got 0 to 4611686018427387904",
    ),
    "npz-labels-floats": (
        npz(features=np.ones((3, 2)), labels=np.ones(3)),
        "labels as whole numbers (N,), got float64 (3,)",
    ),
    "npz-labels-one-hot": (
        npz(features=np.ones((3, 2)), labels=np.eye(3, dtype=int)),
        "labels as whole numbers (N,), got int64 (3, 3)",
    ),
    "npz-moments": (npz(mu=np.zeros(2), sigma=np.eye(2)), "holds moments, no samples"),
    "npy-nan": (npy(np.array([[0.0, 1.0], [np.nan, 1.0]])), "must be finite, got NaN"),
    "npy-one-row": (npy(np.ones((1, 3))), "must hold at least 2 rows"),
    "folder-sizes": (tree(a=(4, 4), b=(5, 4)), "must hold pictures of one size, got a.png of 4 x"),
    "folder-sizes-of-parts": (
        tree(train__a__1=(4, 4), test__a__1=(5, 5)),
        "must hold rows of one shape in both parts",
    ),
    "folder-classes-of-parts": (
        tree(train__cat__1=(4, 4), test__dog__1=(4, 4)),
        "must hold the same classes in train and test, got cat and dog",
    ),
    "folder-beside": (
        tree(cat__1=(4, 4), two=(4, 4)),
        "all pictures in folders, one for each class, or none, got two.png beside cat/",
    ),
    "folder-one-picture": (tree(a=(4, 4)), "must hold at least 2 rows"),
    "zero-byte": (lambda folder: f"mnist={folder}\0", "is no path: it holds a zero byte"),
    "zero-byte-path": (lambda folder: f"{folder}/\0", "is no path: it holds a zero byte"),
}
