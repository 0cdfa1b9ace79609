"""Invertible networks: exact densities by a change of variables."""
