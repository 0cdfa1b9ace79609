"""DiracGAN portraits of a study's objectives, as arrays for its page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genbench.errors import InputError
from genbench.report.groups import Group, overall
from genbench.report.portraits import Portrait
from genbench.studies.dirac import jacobian, trajectory, vector_field

STEPS, STEP_SIZE = 300, 0.1  # alternating gradient descent, the critic first
WEIGHT = 0.3  # of penalties without a strength: seen within the steps
_REACH, _PLACES = 1.6, 11  # arrows at 11 x 11 places of [-1.6, 1.6]^2


def phase_portraits(groups: Sequence[Group]) -> list[Portrait]:
    """A portrait of each named loss, best first; none of what one point and one slope cannot play.

    Those are functions of the user's, packing, spectral norm, dropout and their like.
    """
    own = {
        row["loss"]
        for group in groups
        for row in group.rows
        if "loss" in ((row.get("specification") or {}).get("identity") or {})
    }
    found = (_portrait(loss) for loss in overall(groups) if loss not in own)
    return [portrait for portrait in found if portrait is not None]


def _portrait(loss: str) -> Portrait | None:
    axis = np.linspace(-_REACH, _REACH, _PLACES)
    theta, psi = (side.ravel() for side in np.meshgrid(axis, axis))
    try:
        path = trajectory(loss, steps=STEPS, step_size=STEP_SIZE, weight=WEIGHT)
        field = vector_field(loss, theta, psi, WEIGHT, step_size=STEP_SIZE)
    except InputError:
        return None
    return Portrait(loss, path, np.stack([theta, psi], 1), field, _eigenvalues(loss))


def _eigenvalues(loss: str) -> list[complex] | None:
    """Of the Jacobian at the equilibrium; None where the field jumps there."""
    try:
        return np.linalg.eigvals(jacobian(loss, WEIGHT, step_size=STEP_SIZE)).tolist()
    except InputError:
        return None
