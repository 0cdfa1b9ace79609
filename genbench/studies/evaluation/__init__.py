"""Judging generated samples against real ones by any metrics."""
