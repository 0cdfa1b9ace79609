"""Rows, samples and pages of made-up studies, for the report's tests."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from genbench.report.gallery import Samples

FLOOR = {"modes": 8.0, "modes_held": 8.0, "high_quality": 0.98889, "kl": 0.0004, "spread": 1.0}


def row(loss: str = "non_saturating", seed: int = 0, held: float = 8, **changes: Any) -> dict:
    """A finished row on ring8; `changes` replace its entries."""
    scores = {
        **{"modes": 8, "modes_held": held, "high_quality": 0.5, "spread": 1.02},
        **{"kl": 0.1, "kl_off_mode": 0.4},
    }
    curve = [{"step": step, **scores} for step in (50, 100)]
    same = {"data": "ring8", "protocol": "quick", "steps": 100}
    base = {
        **same, "loss": loss, "model": "gan", "seed": seed, "status": "ok", "reason": None,
        **scores, "best_modes_held": held, "mode_count": 8, "seconds": 2.0, "curve": curve,
        "key": f"{loss}{seed}", "floor": FLOOR,
        "specification": {**same, "code": "1", "config": {}, "samples": 10_000},
        "versions": {"genbench": "1"}, "threads": 1, "conventions": {"kl": "nats"},
    }  # fmt: skip
    return {**base, **changes}


DIVERGED = {
    "status": "diverged", "reason": "loss is nan at step 60", "term": "critic", "modes": None,
    "modes_held": None, "high_quality": None, "spread": None, "kl": None, "kl_off_mode": None,
    "best_modes_held": 3,
}  # fmt: skip
ROWS = [
    row(seed=0, held=3), row(seed=1, held=5),
    row("relativistic+r1+r2", 0), row("relativistic+r1+r2", 1),
    row("least_squares", 0, held=8), row("least_squares", 1, **DIVERGED),
]  # fmt: skip


def ring(count: int = 8) -> np.ndarray:
    """(count, 2) on the unit circle."""
    angles = np.arange(count) * (2 * math.pi / count)
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def samples_of(
    rows: Iterable[dict], truth: dict[str, np.ndarray], frames: Sequence[np.ndarray]
) -> Samples:
    """The same frames for every row, at steps 50, 100, ...; the last again as the end's samples."""
    steps = {r["key"]: [50 * (i + 1) for i in range(len(frames))] for r in rows}
    return Samples(
        truth, steps, lambda key, step: frames[step // 50 - 1], last=lambda key: frames[-1]
    )


def ring_samples(rows: Iterable[dict], *, count: int = 64, frames: int = 2) -> Samples:
    """Points around the ring's modes, nearer at every step."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(count, 2))
    modes = ring()[rng.integers(8, size=count)]
    shown = [(modes + noise / (1 + 5 * i)).astype(np.float32) for i in range(frames)]
    return samples_of(rows, {"means": ring(), "sigma": np.array(0.05)}, shown)
