"""Portraits of a study's objectives: converge or circle as Mescheder 2018 has it."""

import numpy as np
import pytest

from genbench.report.groups import group_rows
from genbench.studies.phases import STEP_SIZE, WEIGHT, phase_portraits


def portraits(*losses, identity=None):
    rows = [
        {
            "data": "ring8", "protocol": "quick", "steps": 1, "loss": loss, "seed": 0,
            "status": "ok", "modes_held": 1, "high_quality": None, "kl": None,
            "specification": {"identity": identity or {}},
        }
        for loss in losses
    ]  # fmt: skip
    return {portrait.loss: portrait for portrait in phase_portraits(group_rows(rows))}


def test_regularised_games_converge_and_plain_ones_circle():
    found = portraits("non_saturating", "non_saturating+r1", "wasserstein_gp")
    ends = {loss: np.linalg.norm(p.trajectory[-1]) for loss, p in found.items()}
    assert ends["non_saturating+r1"] < 0.05
    assert min(ends["non_saturating"], ends["wasserstein_gp"]) > 0.4
    assert found["wasserstein_gp"].eigenvalues is None  # the penalty's slope jumps at psi = 0
    # theorem 4.1: -gamma / 2 +- sqrt(gamma^2 / 4 - l'(0)^2), l'(0) = 1/2
    root = np.emath.sqrt(WEIGHT**2 / 4 - 0.25)
    expected = sorted([-WEIGHT / 2 - root, -WEIGHT / 2 + root], key=lambda value: value.imag)
    values = found["non_saturating+r1"].eigenvalues
    assert values is not None
    assert sorted(values, key=lambda value: value.imag) == pytest.approx(expected, abs=1e-6)


def test_the_field_leads_along_the_trajectory():
    portrait = portraits("least_squares")["least_squares"]
    first = portrait.trajectory[1] - portrait.trajectory[0]
    assert np.abs(portrait.field).max() > 0 and portrait.places.shape == portrait.field.shape
    near = np.argmin(np.linalg.norm(portrait.places - portrait.trajectory[0], axis=1))
    assert first @ portrait.field[near] > 0.5 * STEP_SIZE * (portrait.field[near] ** 2).sum()


def test_what_one_point_cannot_play_has_no_portrait():
    assert portraits("hinge+packing2", "hinge+spectral_norm", "no_such_loss") == {}
    assert portraits("hinge", identity={"loss": "own"}) == {}
