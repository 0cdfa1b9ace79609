"""CIFAR's files as its authors, Python 2 and tar write them, with few pictures."""

import io
import struct
import tarfile
from pathlib import Path

import numpy as np

BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
FOLDERS = {
    ("cifar10", "python"): "cifar-10-batches-py",
    ("cifar10", "binary"): "cifar-10-batches-bin",
    ("cifar100", "python"): "cifar-100-python",
    ("cifar100", "binary"): "cifar-100-binary",
}


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """(n, 3072) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)


def text(value: bytes) -> bytes:
    return b"U" + bytes([len(value)]) + value


def whole(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def array(values: np.ndarray, descr: bytes = b"u1", shape: bytes | None = None) -> bytes:
    """As cPickle of Python 2.5 with NumPy 1."""
    shape = shape or b"(" + b"".join(map(whole, values.shape)) + b"t"
    raw = values.tobytes()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87R"
        b"q\x09(K\x01" + shape + b"cnumpy\ndtype\nq\x0a" + text(descr) + b"K\x00K\x01\x87Rq\x0b("
        b"K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<i", len(raw))
        + raw
        + b"tb"
    )


def numbers(labels) -> bytes:
    return b"](" + b"".join(map(whole, labels)) + b"e"


def pickled(**items: bytes) -> bytes:
    """A dict of values that are pickled already."""
    body = b"".join(text(key.encode()) + value for key, value in items.items())
    return b"\x80\x02}q\x01(" + body + b"u."


def batch(labels, x: np.ndarray, key: str = "labels") -> bytes:
    return pickled(
        **{"batch_label": text(b"part"), key: numbers(labels), "data": array(x)},
        filenames=b"](" + b"".join(text(b"a.png") for _ in labels) + b"e",
    )


def binary(labels, x: np.ndarray, coarse: bool = False) -> bytes:
    rows = [
        (bytes([19]) if coarse else b"") + bytes([label]) + row.tobytes()
        for label, row in zip(labels, x, strict=True)
    ]
    return b"".join(rows)


def files(name: str, version: str, n: int = 4) -> dict[str, bytes]:
    """Each file's content; picture i of a file has label i + 3, of file number seed."""
    ten = name == "cifar10"
    train = BATCHES if ten else ["train"]
    stems = [*train, "test_batch" if ten else "test"]
    labels = range(3, 3 + n)
    if version == "binary":
        made = {
            f"{stem}.bin": binary(labels, pictures(n, seed), coarse=not ten)
            for seed, stem in enumerate(stems)
        }
        meta = "batches.meta.txt" if ten else "fine_label_names.txt"
        return made | {meta: b"".join(b"class%d\n" % c for c in range(10 if ten else 100))}
    key = "labels" if ten else "fine_labels"
    made = {stem: batch(labels, pictures(n, seed), key) for seed, stem in enumerate(stems)}
    names = b"](" + b"".join(text(b"class%d" % c) for c in range(10 if ten else 100)) + b"e"
    meta = {"label_names" if ten else "fine_label_names": names}
    return made | {"batches.meta" if ten else "meta": pickled(**meta)}


def write(folder: Path, found: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in found.items():
        (folder / name).write_bytes(content)
    return folder


def tar(members: dict[str, bytes], kind: int = tarfile.USTAR_FORMAT, mode: str = "w:gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode, format=kind) as opened:  # type: ignore[call-overload]
        folder = tarfile.TarInfo(next(iter(members)).partition("/")[0])
        folder.type = tarfile.DIRTYPE
        opened.addfile(folder)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return content.getvalue()


def archive(name: str, version: str, kind: int = tarfile.USTAR_FORMAT) -> bytes:
    folder = FOLDERS[name, version]
    members = {f"{folder}/{file}": content for file, content in files(name, version).items()}
    return tar({f"{folder}/readme.html": b"<html>" * 200, **members}, kind)
