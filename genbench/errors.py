"""The errors that the command line answers with a single line instead of a traceback."""


class InputError(ValueError):
    """Bad input: the message names the argument, what came and what was expected, in one line."""


class CellFailed(RuntimeError):
    """A study's cell cannot run: its title, the error, and where the traceback lies."""
