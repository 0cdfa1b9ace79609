"""Arrays in .npz and .safetensors files: which of them counts, and whether its sizes are true."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection
from typing import IO

import numpy as np

from genbench.data.arrays import Header, check_size, read_header
from genbench.data.origin import Origin
from genbench.data.rows import Rows

SAMPLES = ("features", "images", "samples", "arr_0")
EXTRAS = ("labels", "log_prob", "probabilities")
MOMENTS = ("mu", "sigma")
# deflate never packs better than 1032 to 1 (zlib.net/zlib_tech.html)
DEFLATE_RATIO = 1032
# What unpacks to more than both, bytes and times its packed size, is refused as a bomb. Not by the
# ratio alone: a thousand copies of one picture, a collapsed generator's samples, pack very well.
UNPACKED_LIMIT, RATIO_LIMIT = 2**30, 100
_SAFETENSORS = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "U8": "u1"}


def open_npz(origin: Origin) -> tuple[str, dict[str, Rows]]:
    """The name of the array of samples, and the arrays by name: samples and extras, or moments.

    The name is "mu" where mu and sigma are all there is. Raises InputError for an archive whose
    array of samples is not certain, and for members that are damaged or not what they declare.
    """
    origin.file_size()
    with origin.reading(), zipfile.ZipFile(origin.path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in _arrays(origin, archive)}
        name = _choose(origin, members, ".npz")
        wanted = MOMENTS if name in MOMENTS else (name, *EXTRAS)
        rows = {key: _member(origin, archive, members[key]) for key in wanted if key in members}
    return name, rows


def open_members(origin: Origin, names: Collection[str]) -> dict[str, Rows]:
    """The arrays of an .npz that are called `names`; a single number becomes an array (1,).

    Raises InputError where one is missing, damaged or not what it declares.
    """
    origin.file_size()
    with origin.reading(), zipfile.ZipFile(origin.path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in _arrays(origin, archive)}
        if missing := [name for name in names if name not in members]:
            raise origin.fault(
                f"must hold {' and '.join(names)}, got {', '.join(sorted(members)[:6])} and no "
                f"{missing[0]}"
            )
        rows = {name: _member(origin, archive, members[name]) for name in names}
    for found in rows.values():
        found.shape = found.shape or (1,)
    return rows


def open_safetensors(origin: Origin) -> tuple[str, dict[str, Rows]]:
    """The name of the only tensor, or of that called features (see `SAMPLES`), and its rows."""
    from safetensors import SafetensorError, safe_open

    origin.file_size()
    try:
        with origin.reading(), safe_open(origin.path, framework="np") as file:
            names = list(file.keys())  # opening has compared every offset with the file
    except SafetensorError as error:
        raise origin.fault(f"is no valid .safetensors file: {error}") from error
    name = _choose(origin, names, ".safetensors")
    with origin.reading(), origin.path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
    if entry["dtype"] not in _SAFETENSORS:
        known = ", ".join(_SAFETENSORS)
        raise origin.fault(f"must hold {known}, got {name} of {entry['dtype']}: save it as F32")
    dtype, shape = np.dtype(_SAFETENSORS[entry["dtype"]]), tuple(entry["shape"])
    offset = 8 + length + entry["data_offsets"][0]
    rows = Rows(origin, origin.stream, offset=offset, shape=shape, dtype=dtype)
    return name, {name: rows}


def _arrays(origin: Origin, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    found = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    names = [info.filename for info in found]
    if not found:
        raise origin.fault("must hold .npy members as np.savez writes them, got none")
    if len(set(names)) < len(names):
        raise origin.fault("holds two members of one name")
    return found


def _choose(origin: Origin, names: Collection[str], kind: str) -> str:
    """The array that holds the samples."""
    certain = [name for name in SAMPLES if name in names]
    others = [name for name in names if name not in (*EXTRAS, *MOMENTS)]
    if len(certain) == 1 or (not certain and len(others) == 1):
        return (certain or others)[0]
    if not others and set(MOMENTS) <= set(names):
        return MOMENTS[0]
    listed = ", ".join(sorted(names)[:6]) + (", ..." if len(names) > 6 else "")
    raise origin.fault(
        f"must hold exactly one of {', '.join(SAMPLES)}, or one array beside "
        f"{', '.join(EXTRAS)} in its {kind}, got {listed or 'nothing'}"
    )


def _member(origin: Origin, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Rows:
    what = f"member {info.filename} "
    _check_packing(origin, info, what)
    with archive.open(info) as file:
        header: Header = read_header(file, origin, what=what)
    check_size(origin, header, info.file_size, what=what)

    def open_stream() -> IO[bytes]:
        return zipfile.ZipFile(origin.path).open(info.filename)

    return Rows(
        origin,
        open_stream,
        offset=header.offset,
        shape=header.shape,
        dtype=header.dtype,
        fortran=header.fortran,
        plain=False,
    )


def _check_packing(origin: Origin, info: zipfile.ZipInfo, what: str) -> None:
    """Raise InputError for a member that is encrypted, packed unusually or a bomb."""
    if info.flag_bits & 1:
        raise origin.fault(f"{what}is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise origin.fault(f"{what}must be stored or deflated, got method {info.compress_type}")
    if info.compress_type == zipfile.ZIP_DEFLATED:
        check_bomb(origin, what, packed=info.compress_size, unpacked=info.file_size)
    elif info.file_size != info.compress_size:
        raise origin.fault(
            f"{what}declares {info.file_size} bytes, stored as they are in {info.compress_size}"
        )


def check_bomb(origin: Origin, what: str, *, packed: int, unpacked: int) -> None:
    """Raise InputError where deflate cannot have packed so much, or only what hardly is samples."""
    if unpacked > DEFLATE_RATIO * packed:
        raise origin.fault(f"{what}declares {unpacked} bytes, more than {packed} packed can hold")
    if unpacked > max(UNPACKED_LIMIT, RATIO_LIMIT * packed):
        raise origin.fault(
            f"{what}would unpack {packed} bytes to {unpacked}: more than 1 GiB and {RATIO_LIMIT} "
            "times is taken for a bomb; store it unpacked"
        )
