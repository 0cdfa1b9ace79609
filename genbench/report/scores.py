"""An evaluation's row as a table for people: value, interval, direction, perfect sampler."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

# What a better sampler has; a key that is not here has no direction. Beyond the perfect sampler's
# density lie crowded fakes, beyond its divergence and authenticity copies and strays.
BETTER = {
    "frechet_distance": "lower",
    "frechet_distance_infinity": "lower",
    "kernel_distance_mean": "lower",
    "class_score_mean": "higher",
    "precision": "higher",
    "recall": "higher",
    "f_score": "higher",
    "density": "as perfect",
    "coverage": "higher",
    "different_bins": "lower",
    "different_bins_share": "lower",
    "jensen_shannon": "lower",
    "ms_ssim_diversity": "lower",
    "psnr": "higher",
    "ssim": "higher",
    "ms_ssim": "higher",
    "bits_per_dim": "lower",
    "nats": "lower",
    "modes": "higher",
    "modes_held": "higher",
    "high_quality": "higher",
    "kl": "lower",
    "kl_off_mode": "lower",
    "knn_divergence": "as perfect",
    "authentic": "as perfect",
    "exact_copies": "lower",
    "near_copies": "lower",
}


def score_keys(row: dict[str, Any]) -> list[str]:
    """The keys of a row that hold scores, in order."""
    return [key for keys in row["metrics"].values() for key in keys]


def scores_text(row: dict[str, Any], *, width: int = 100) -> str:
    """The scores as plain text, columns two spaces apart, and how they were measured below.

    width: of the lines below the table, in characters.
    """
    leveled = f"{row['level']:.0%} interval" if row["level"] is not None else None
    lines = [_line(row, key, leveled is not None) for key in score_keys(row)]
    titles = ["score", "value", *([leveled] if leveled else []), "better", "perfect sampler"]
    widths = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    table = [_aligned(cells, widths) for cells in (titles, *lines)]
    foot = (_wrapped(line, width) for line in _foot(row))
    return "\n".join([table[0], rule, *table[1:], rule, *foot])


def contents(kind: str, count: int, shape: Sequence[int]) -> str:
    """What a set holds, in words."""
    if kind == "images":
        return f"{count} images of {'x'.join(map(str, shape))}"
    return f"{kind if kind == 'moments' else f'{count} rows'} of {shape[0]} features"


def _line(row: dict[str, Any], key: str, intervals: bool) -> list[str]:
    between = [_interval(row["intervals"].get(key))] if intervals else []
    better = BETTER.get(plain_key(key), "")
    perfect = row["perfect"].get(key)
    return [key, _number(row[key]), *between, better, "" if perfect is None else _number(perfect)]


def plain_key(key: str) -> str:
    """A key without torch-fidelity's word for the extractor."""
    return key.replace("inception_distance", "distance").replace("inception_score", "class_score")


def _interval(ends: list[float] | list[None] | None) -> str:
    if ends is None or None in ends:
        return ""
    return f"{_number(ends[0])} to {_number(ends[1])}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _aligned(cells: list[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _wrapped(line: str, width: int) -> str:
    """`line` in lines of at most `width` characters where it has blanks; digests are cut."""
    short = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", line)
    return textwrap.fill(
        short, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _foot(row: dict[str, Any]) -> Iterator[str]:
    if row["perfect"]:
        yield "perfect sampler: what real samples would score, on average, at these sizes"
    for role in ("real", "fake"):
        side = row[role]
        held = contents(side["kind"], side["count"], side["shape"])
        left = f", {side['dropped']} left out" if side["dropped"] else ""
        values = "; ".join(side["conventions"].values())
        yield (f"{role}: {side['path']}: {held}{left}, sha256 {side['sha256']}; {values}")
    extractor = row["extractor"]
    if extractor is not None:
        rules = "; ".join(f"{name}: {rule}" for name, rule in extractor["conventions"].items())
        yield f"features: {extractor['name']}; {rules}"
    for name, rule in row["conventions"].items():
        yield f"{name}: {rule}"
