"""What other processes do: looked for in /proc, waited for."""

import os
import time


def processes(module, out):
    """The processes that run `python -m module` for the study in `out`."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                line = file.read()
        except OSError:  # it ended meanwhile
            continue
        if module.encode() in line and str(out).encode() in line:
            found.append(int(entry))
    return found


def wait_for(condition, seconds=240.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
