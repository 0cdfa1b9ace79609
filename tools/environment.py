"""Make the environment in .venv and keep it as constraints.txt, pyproject.toml and csrc/ ask.

Run by `make env`, with nothing but the standard library. A step of tools/recipe.py runs again when
the contents it depends on changed or when what it left is gone, and not otherwise. Exit: 0 done, 2
with one line on stderr, 130 interrupted. This file alone keeps to what old interpreters can read.
"""

import os
import sys

OLDEST = (3, 11)


def too_old(version: tuple, executable: str) -> str:
    """The line that refuses a Python older than OLDEST; empty for one that will do."""
    if tuple(version[:2]) >= OLDEST:
        return ""
    needed, found = (".".join(map(str, numbers)) for numbers in (OLDEST, version))
    wanted = f"genbench needs Python {needed} or newer, found {found} ({executable})"
    return f"{wanted}; set PYTHON=/path/to/python{needed}"


def make() -> int:
    """Run the steps that are not done; returns the exit code."""
    from pathlib import Path

    from machine import Failure
    from recipe import Environment, set_up

    try:
        set_up(Environment(Path(__file__).resolve().parent.parent, os.environ))
    except (Failure, OSError) as failure:
        print(f"make env: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run again to go on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    refusal = too_old(sys.version_info[:3], sys.executable)
    if refusal:
        print(refusal, file=sys.stderr)
    sys.exit(2 if refusal else make())
