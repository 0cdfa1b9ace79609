"""Procedural pictures of one shape each, whose factors are known: after dSprites, Matthey 2017.

github.com/google-deepmind/dsprites-dataset. Here shapes have colours and captions, and places,
sizes and angles are continuous.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.data.datasets import Dataset, check_drawn_size
from genbench.data.drawing import KINDS, SYMMETRY, draw
from genbench.data.splits import Split
from genbench.errors import InputError
from genbench.ops import uniform

FACTORS = ("shape", "colour", "x", "y", "size", "rotation")
COLOURS = {
    "red": (225, 45, 40),
    "green": (50, 180, 70),
    "blue": (50, 90, 230),
    "yellow": (245, 215, 60),
    "magenta": (200, 60, 200),
    "cyan": (70, 210, 220),
}
# Of what varies: shares of the picture's side. A shape of any size fits wherever it may lie.
SIZES, PLACES = (0.15, 0.28), (0.28, 0.72)
_WORDS = ("small", "medium", "large")
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
_TRAIN, _TEST = (4000, 1), (1000, 2)  # rows and seed
_SIDES = (8, 256)  # pixels


@dataclass(frozen=True)
class Shapes:
    """What is drawn. kinds: of `KINDS`. colours: of `COLOURS`; none: light grey, one channel.

    vary: which of x, y, size and rotation do; the others stay in the middle, and upright.
    Raises InputError for unknown or no kinds, unknown colours or factors, or a picture's side
    outside 8 .. 256.
    """

    size: int = 32
    kinds: tuple[str, ...] = KINDS
    colours: tuple[str, ...] = tuple(COLOURS)
    vary: tuple[str, ...] = FACTORS[2:]

    def __post_init__(self) -> None:
        check_drawn_size(self.size, *_SIDES, name="shapes")
        _check_names("kinds", self.kinds, KINDS)
        _check_names("colours", self.colours, COLOURS)
        _check_names("vary", self.vary, FACTORS[2:])
        if not self.kinds:
            raise InputError(f"kinds: must name at least one of {', '.join(KINDS)}, got none")

    def draw(self, n: int, seed: Tensor) -> Split:
        """n pictures on the seed's device; factors are equal on every device, pixels within one
        level.

        labels: numbers in `kinds`. condition: factors (n, 6) float32, see `FACTORS`: numbers in
        `kinds` and `colours`, shares of the side, radians.
        """
        u = uniform((len(FACTORS), n), seed=seed, dtype=torch.float64)
        numbers = torch.tensor([KINDS.index(kind) for kind in self.kinds], device=u.device)
        label = (u[0] * len(self.kinds)).long()
        turn = torch.tensor(SYMMETRY, dtype=u.dtype, device=u.device)[numbers[label]]
        drawn = {
            "x": _between(PLACES, u[2]),
            "y": _between(PLACES, u[3]),
            "size": _between(SIZES, u[4]),
            "rotation": u[5] * turn,
        }
        fixed = {"x": 0.5, "y": 0.5, "size": sum(SIZES) / 2, "rotation": 0.0}
        colour = (u[1] * len(self.colours)).floor()
        rest = [
            drawn[name] if name in self.vary else torch.full_like(u[0], fixed[name])
            for name in FACTORS[2:]
        ]
        factors = torch.stack([label.to(u.dtype), colour, *rest], dim=1).float()
        return Split(self.paint(factors), label, factors, levels=256)

    def to(self, device: torch.device | str) -> Shapes:
        """Itself: seeds bring the device."""
        return self

    def sample(self, n: int, rng: torch.Generator) -> Split:
        """n pictures, drawn on the CPU; the same generator state gives the same."""
        return self.draw(n, torch.randint(2**63 - 1, (1,), generator=rng))

    def paint(self, factors: Tensor) -> Tensor:
        """Pictures (n, C, size, size) uint8 of factors (n, 6), as `draw` returns them."""
        numbers = torch.tensor([KINDS.index(kind) for kind in self.kinds], device=factors.device)
        colours = [COLOURS[name] for name in self.colours] or [(255,)]
        palette = torch.tensor(colours, dtype=torch.float32, device=factors.device)
        kind = numbers[factors[:, 0].long()].to(factors)
        return draw(torch.cat([kind[:, None], factors[:, 1:]], dim=1), palette, self.size)

    def captions(self, factors: Tensor) -> tuple[str, ...]:
        """Such as "a small tilted red square at the top left"; tilted: nearer to half-way round
        its symmetry than to upright. factors: (n, 6)."""
        return tuple(self._caption(row) for row in factors.tolist())

    def _caption(self, factors: Sequence[float]) -> str:
        kind = self.kinds[int(factors[0])]
        symmetry = SYMMETRY[KINDS.index(kind)]
        words = [_third(_WORDS, SIZES, factors[4])]
        if symmetry and 0.25 <= factors[5] / symmetry < 0.75:
            words.append("tilted")
        words.append(self.colours[int(factors[1])] if self.colours else "grey")
        row, column = _third(_ROWS, PLACES, factors[3]), _third(_COLUMNS, PLACES, factors[2])
        place = (
            "in the centre" if (row, column) == ("middle", "centre") else f"at the {row} {column}"
        )
        return f"a {' '.join(words)} {kind} {place}"


def shapes(
    *,
    size: int = 32,
    kinds: Sequence[str] = KINDS,
    colours: Sequence[str] = tuple(COLOURS),
    vary: Sequence[str] = FACTORS[2:],
    name: str = "shapes",
) -> Dataset:
    """Shapes (C, size, size) drawn fresh batch by batch; 4,000 and 1,000 held out stay the same.

    See `Shapes` for the arguments, labels and conditions; `Dataset.fresh` is one.
    """
    fresh = Shapes(size, tuple(kinds), tuple(colours), tuple(vary))
    parts = []
    for rows, seed in (_TRAIN, _TEST):
        found = fresh.draw(rows, torch.tensor([seed]))
        assert found.condition is not None
        captions = fresh.captions(found.condition)
        parts.append(Split(found.x, found.labels, found.condition, captions, found.levels))
    return Dataset(name, *parts, classes=fresh.kinds, fresh=fresh)


def _between(ends: tuple[float, float], u: Tensor) -> Tensor:
    return ends[0] + (ends[1] - ends[0]) * u


def _third(words: Sequence[str], ends: tuple[float, float], x: float) -> str:
    """The word of the third of [low, high] that x lies in."""
    share = (x - ends[0]) / (ends[1] - ends[0])
    return words[min(2, max(0, math.floor(share * 3)))]


def _check_names(argument: str, names: Sequence[str], known: Sequence[str] | dict) -> None:
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < len(names):
        what = f"unknown '{unknown[0]}'" if unknown else f"a name twice: {', '.join(names)}"
        raise InputError(f"{argument}: must be of {', '.join(known)}, got {what}")
