"""The one exception for bad user input; the command line prints it as a single line and exits 2."""


class InputError(ValueError):
    """Bad input: the message names the argument, what came and what was expected, in one line."""
