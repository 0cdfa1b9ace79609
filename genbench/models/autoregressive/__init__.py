"""Densities as products of conditionals, one number after the other."""
