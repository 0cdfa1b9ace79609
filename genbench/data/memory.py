"""Whether data fit: into main memory before they are read, onto the device that trains."""

from __future__ import annotations

from pathlib import Path

import torch

from genbench.data.datasets import Dataset
from genbench.data.origin import Origin

SHARE = 0.5  # of what is free; the rest is for the model and for what else runs
_UNKNOWN = 4 * 2**30  # bytes; where the system does not say what is free


def free_memory(device: torch.device | str = "cpu") -> int | None:
    """Bytes that are free on a device; None where nothing says so."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    table = Path("/proc/meminfo")
    if device.type != "cpu" or not table.exists():
        return None
    rows = dict(line.split(":", 1) for line in table.read_text().splitlines())
    found = rows.get("MemAvailable", "").split()  # in kB
    return int(found[0]) * 1024 if found else None


def check_fits(origin: Origin, nbytes: int) -> None:
    """Raise InputError where rows of `nbytes` would take more than half of the free memory."""
    free = free_memory()
    limit = _UNKNOWN if free is None else int(free * SHARE)
    if nbytes > limit:
        raise origin.fault(
            f"needs {in_units(nbytes)} of memory, at most {in_units(limit)} are taken: a smaller "
            "size of pictures needs less"
        )


def place(data: Dataset, device: torch.device | str) -> tuple[Dataset, str]:
    """`data` on the device where both splits fit into half of what is free there; and a line that
    says where they are and why.

    Data that stay in main memory give their batches by `data.batches(..., device=device)`.
    """
    device, size = torch.device(device), in_units(data.nbytes)
    if device.type == "cpu":
        return data, f"{data.name}: {size} in main memory"
    free = free_memory(device)
    if free is None:
        return data, f"{data.name}: {size} stay in main memory; what is free on {device} is unknown"
    if data.nbytes > free * SHARE:
        return data, (
            f"{data.name}: {size} stay in main memory, more than half of the {in_units(free)} free "
            f"on {device}; batches are copied"
        )
    return data.to(device), f"{data.name}: {size} on {device}, of {in_units(free)} free"


def in_units(count: int) -> str:
    """Bytes in KiB, MiB or GiB."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1024:.1f} KiB"
