"""Models trained by a variational bound of log p(x)."""
