"""Contents of damaged and harmful files: arrays, archives, pictures that lie about themselves."""

import io
import struct
import zipfile
import zlib

import numpy as np
from hypothesis import strategies as st
from PIL import Image


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def header(text: str, *, version: int = 1, length: int | None = None) -> bytes:
    """A .npy header with any text in it."""
    content = text.encode() + b"\n"
    size = len(content) if length is None else length
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", size)
        + (content)
    )


def declared(shape: str, descr: str = "'<f4'", order: str = "False") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")


def archive(content: bytes, name: str = "arr_0.npy", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as opened:
        opened.writestr(name, content)
    return file.getvalue()


def changed(content: bytes, position: int, value: bytes) -> bytes:
    position %= len(content)
    return content[:position] + value + content[position + len(value) :]


def idx(*shape: int, code: int = 8, data: int | None = None) -> bytes:
    n = int(np.prod(shape)) if data is None else data
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape) + bytes(n)


def png(width: int, height: int, body: bytes | None = None) -> bytes:
    """A grey PNG of any declared size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = bytes(height * (width + 1)) if body is None else body
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


FEATURES = npy(np.arange(12, dtype="<f4").reshape(4, 3))


def zeros(pieces: int) -> bytes:
    """A raw deflate stream, not ended, that unpacks to `pieces` times 4 MiB of zeros."""
    packer = zlib.compressobj(9, wbits=-15)
    # after a full flush nothing refers back, so one packed piece can be repeated
    return (packer.compress(bytes(2**22)) + packer.flush(zlib.Z_FULL_FLUSH)) * pieces


def bomb() -> bytes:
    """4 MiB that unpack to a truthful 4 GiB less the header, as (N, 1024) float32."""
    start = declared(f"({2**20 - 32}, 1024)")
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH) + zeros(1023)
    tail = zlib.compressobj(wbits=-15)
    packed += tail.compress(bytes(2**22 - 2**17)) + tail.flush()
    size = len(start) + 4096 * (2**20 - 32)
    name = b"arr_0.npy"
    fields = struct.pack("<HHHIIIHH", 8, 0, 0, 0, len(packed), size, len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<HH", 20, 0) + fields + name
    central = b"PK\x01\x02" + struct.pack("<HHH", 20, 20, 0) + fields
    central += struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    place = len(local) + len(packed)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(central), place, 0)
    return local + packed + central + end


def encrypted() -> bytes:
    content = archive(FEATURES)
    directory = content.index(b"PK\x01\x02")
    return changed(changed(content, 6, b"\x01"), directory + 8, b"\x01")


def lying_zip(size: int, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A member whose directory declares another unpacked size than it has."""
    content = archive(FEATURES, method=method)
    return changed(content, content.index(b"PK\x01\x02") + 24, struct.pack("<I", size))


def twice() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("arr_0.npy", FEATURES)
        directory = dict(opened.NameToInfo)
        opened.NameToInfo.clear()  # zipfile would warn
        opened.writestr("arr_0.npy", FEATURES)
        opened.NameToInfo.update(directory)
    return file.getvalue()


def bad_sum() -> bytes:
    """A stored member with one bit of its values turned."""
    content = archive(FEATURES, method=zipfile.ZIP_STORED)
    place = content.index(FEATURES) + len(FEATURES) - 1
    return changed(content, place, bytes([content[place] ^ 1]))


def gzip_bomb() -> bytes:
    """Declares ten pictures and unpacks to a gigabyte."""
    start = zlib.compressobj(wbits=-15)
    packed = start.compress(idx(10, 28, 28)) + start.flush(zlib.Z_FULL_FLUSH) + zeros(256)
    return b"\x1f\x8b\x08" + bytes(7) + packed


def safetensors(head: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(head) if length is None else length) + head + data


def noise(kind: str, size: int) -> bytes:
    """A grey picture that packs badly."""
    content = io.BytesIO()
    Image.effect_noise((size, size), 50).save(content, kind)
    return content.getvalue()


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "repeat"]),
        st.integers(0, 2**16),
        st.sampled_from([b"\0", b"\xff", b"\x80", b"9", b"-", b"O", b"\xff\xff\xff\x7f"])
        | st.binary(min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=4,
)


def edited(content: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, value in edits:
        place %= len(content) + 1
        head, tail = content[:place], content[place:]
        content = {
            "set": head + value + tail[len(value) :],
            "cut": head,
            "insert": head + value + tail,
            "repeat": head + content[place : place + 50] * 3 + tail,
        }[kind]
    return content
