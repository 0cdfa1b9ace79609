"""Chains that take noise away step by step."""
