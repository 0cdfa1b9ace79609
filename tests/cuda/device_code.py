"""The device code inside a library: its architectures, and what each kernel needs.

The layout of a fat binary and of the attributes in a cubin's .nv.info section is NVIDIA's own; a
test holds this reading of it against what ptxas says.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FATBIN = struct.pack("<I", 0xBA55ED50)
PTX, CUBIN = 1, 2
SIZED = 4  # an attribute's format: a length and so many bytes
FRAME_SIZE, REGISTERS = 0x11, 0x2F  # each: symbol, value


@dataclass(frozen=True)
class Kernel:
    name: str  # mangled
    registers: int
    frame: int  # bytes of local memory a thread: arrays, and registers that were spilled


def entries(library: Path) -> Iterator[tuple[str, bytes]]:
    """("sm_80", its cubin) and ("compute_90", PTX) of every fat binary in a file."""
    content = library.read_bytes()
    at = content.find(FATBIN)
    while at >= 0:
        _, _, header, size = struct.unpack_from("<IHHQ", content, at)
        at += header
        end = at + size
        while at < end:
            kind, _, header, size = struct.unpack_from("<HHIQ", content, at)
            (number,) = struct.unpack_from("<I", content, at + 28)
            name = {PTX: "compute", CUBIN: "sm"}[kind]
            yield f"{name}_{number}", content[at + header : at + header + size]
            at += header + size
        at = content.find(FATBIN, end)


def kernels(cubin: bytes) -> list[Kernel]:
    """What every kernel of a cubin needs."""
    sections = list(_sections(cubin))
    (symbols,) = (s for s in sections if s[0] == 2)  # SHT_SYMTAB
    _, offset, size, link = symbols
    names = sections[link][1]
    labels = []
    for at in range(offset, offset + size, 24):
        start = names + struct.unpack_from("<I", cubin, at)[0]
        labels.append(cubin[start : cubin.index(b"\0", start)].decode())
    found: dict[int, dict[int, int]] = {}
    for kind, offset, size, _ in sections:
        if kind == 0x70000000:  # SHT_CUDA_INFO
            for attribute, symbol, value in _attributes(cubin[offset : offset + size]):
                found.setdefault(symbol, {})[attribute] = value
    return [
        Kernel(labels[symbol], needs[REGISTERS], needs[FRAME_SIZE])
        for symbol, needs in found.items()
        if REGISTERS in needs
    ]


def _sections(elf: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(type, offset, size, link) of each section of a 64-bit ELF file."""
    (table,) = struct.unpack_from("<Q", elf, 40)
    length, count = struct.unpack_from("<HH", elf, 58)
    for at in range(table, table + length * count, length):
        kind, _, _, offset, size, link = struct.unpack_from("<IQQQQI", elf, at + 4)
        yield kind, offset, size, link


def _attributes(info: bytes) -> Iterator[tuple[int, int, int]]:
    """(attribute, symbol, value) of the sized attributes of a pair."""
    at = 0
    while at < len(info):
        layout, attribute, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if layout != SIZED:
            continue
        if attribute in (FRAME_SIZE, REGISTERS) and size == 8:
            yield attribute, *struct.unpack_from("<II", info, at)
        at += size
