"""Stock networks that models share."""
