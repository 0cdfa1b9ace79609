"""Phase portraits of DiracGAN as SVG geometry. Mescheder 2018, arXiv 1801.04406, section 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from genbench.report.charts import path

SIDE = 200  # of a portrait, in the SVG's units


@dataclass(frozen=True)
class Portrait:
    """Gradient play of one objective around its equilibrium (0, 0).

    trajectory: (T, 2) of (theta, psi). places, field: (F, 2) positions and the vector there.
    eigenvalues: of the Jacobian at the equilibrium, complex, or None where it is not known.
    """

    loss: str
    trajectory: np.ndarray
    places: np.ndarray
    field: np.ndarray
    eigenvalues: Sequence[complex] | None


class Drawn(NamedTuple):
    """SVG paths of a portrait, its start and end, and a line of text."""

    loss: str
    trajectory: str
    arrows: str
    start: tuple[float, float]
    end: tuple[float, float]
    caption: str


def draw(portrait: Portrait) -> Drawn:
    """Paths in a square of SIDE units that shows the field's places and the trajectory's start."""
    reach = float(np.abs(portrait.places).max()) * 1.08

    def place(points: np.ndarray) -> np.ndarray:
        return SIDE / 2 * (1 + np.array([1, -1]) * np.clip(points / reach, -3, 3))

    at = place(np.nan_to_num(portrait.trajectory))
    longest = float(np.linalg.norm(portrait.field, axis=1).max()) or 1.0
    spacing = 2 * reach / max(2.0, len(portrait.places) ** 0.5)
    arrows = portrait.field * (0.85 * spacing / longest)
    tails, tips = place(portrait.places), place(portrait.places + arrows)
    points = [(float(x), float(y)) for x, y in at]
    return Drawn(
        portrait.loss, path(points), _arrows(tails, tips), points[0], points[-1], _caption(portrait)
    )


def _arrows(tails: np.ndarray, tips: np.ndarray) -> str:
    """A path of arrows from tails to tips (F, 2), heads of a third of their length."""
    back = (tails - tips) * 0.33
    aside = np.stack([-back[:, 1], back[:, 0]], 1) * 0.5
    lines = zip(tails, tips, tips + back + aside, tips + back - aside, strict=True)
    return "".join(
        path([tuple(tail), tuple(tip)]) + path([tuple(left), tuple(tip), tuple(right)])
        for tail, tip, left, right in lines
    )


def _caption(portrait: Portrait) -> str:
    first, last = (float(np.linalg.norm(portrait.trajectory[i])) for i in (0, -1))
    moved = (
        "diverges"
        if not last < 2 * first
        else "converges"
        if last < first / 5
        else "does not settle"
    )
    if portrait.eigenvalues is None:
        return moved
    values = ", ".join(_complex(complex(value)) for value in portrait.eigenvalues)
    return f"{moved}; eigenvalues {values}"


def _complex(value: complex) -> str:
    real, imaginary = round(value.real, 2) + 0.0, round(value.imag, 2) + 0.0  # no -0.00
    sign = "-" if imaginary < 0 else "+"
    return f"{real:.2f} {sign} {abs(imaginary):.2f}i" if imaginary else f"{real:.2f}"
