"""Adversarial models: a generator against a critic."""
