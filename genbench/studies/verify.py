"""Each system against its own bars: rows as it goes, a table at the end."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from genbench import files
from genbench.catalog import look_up
from genbench.errors import InputError
from genbench.ops.backend import active
from genbench.report.bars import bars_text
from genbench.report.stages import Stages
from genbench.studies.bars import BARS
from genbench.studies.bars.bar import Bar
from genbench.studies.bars.lab import SEEDS, Lab


@dataclass(frozen=True)
class Verified:
    """rows: one a bar. table: as text. passed: whether every bar was reached."""

    rows: list[dict[str, Any]]
    table: str
    passed: bool


def verify(
    names: Sequence[str] = (),
    *,
    out: str | Path = "runs/verify",
    quick: bool = False,
    seeds: int = len(SEEDS),
    device: str = "cpu",
    progress: Stages | None = None,
) -> Verified:
    """Trains the systems called `names`, all of them by default, and measures their bars.

    out: gets NAME.jsonl, a row a bar, when a system is done, and verify.txt, the table. quick: a
    tenth of the steps; then a bar only asks for numbers. seeds: how many; comparisons by pairs need
    three. Raises InputError for a name without bars.
    """
    if seeds < 1:
        raise InputError(f"seeds: must be a whole number of at least 1, got {seeds}")
    for name in names:
        look_up(BARS, name, argument="name")
    told, rows, folder = progress or Stages(), [], Path(out)
    lab = Lab(tuple(range(seeds)), quick=quick, device=device, say=told.note)
    try:
        for name in names or BARS:
            found = list(_measured(name, lab, told))
            files.write_text(folder / f"{name}.jsonl", "".join(json.dumps(r) + "\n" for r in found))
            rows += found
            files.write_text(folder / "verify.txt", bars_text(rows))
    finally:
        told.close()
    return Verified(rows, bars_text(rows), all(row["passed"] for row in rows))


def _measured(name: str, lab: Lab, told: Stages) -> Iterator[dict[str, Any]]:
    """A row for each bar of a system, as it is measured."""
    began = time.monotonic()
    for bar in BARS[name].load()(lab):
        ended = time.monotonic()
        row = _row(name, bar, lab, ended - began)
        told.note(f"{name}: {bar.what}: {'pass' if row['passed'] else 'FAIL'}")
        began = ended
        yield row


def _row(name: str, bar: Bar, lab: Lab, seconds: float) -> dict[str, Any]:
    finite = all(map(math.isfinite, bar.values))
    return {
        "system": name,
        "what": bar.what,
        "values": [value if math.isfinite(value) else None for value in bar.values],
        "rule": "finite" if lab.quick else bar.rule,
        "passed": finite if lab.quick else bar.passed,
        "beside": dict(bar.beside),
        "seconds": round(seconds, 1),
        "quick": lab.quick,
        "seeds": list(lab.seeds),
        "backend": active(),
        "device": lab.device,
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }
