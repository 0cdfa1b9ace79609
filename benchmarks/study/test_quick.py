"""Seed-steps a second of the whole machine: the study's workers beside loops written by hand."""


def test_quick(study_row):
    study_row()
