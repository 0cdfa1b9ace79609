"""What this machine must offer before anything is installed, and why a command failed on it."""

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Mapping

UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError"
    r"|Max retries exceeded|Network is unreachable|Connection refused|Could not fetch URL"
)
ERROR = re.compile(r"(ERROR|error|[\w.]+Error): ")
COMPILE_ERROR = re.compile(r"^\S+:\d+(:\d+)?: (fatal )?error: ")


class Failure(Exception):
    """What went wrong and what to do about it, in one line."""


def check_modules() -> None:
    """Refuse a Python without the modules that make environments (Debian packs them apart)."""
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise Failure(
                f"{sys.executable} has no module {module}; install it (Debian: "
                f"apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv)"
            )


def find_compiler(variables: Mapping[str, str]) -> str | None:
    """The C++ compiler that $CXX names, else the first usual name on PATH; None without one."""
    names = variables.get("CXX", "").split()[:1] or ["c++", "g++", "clang++"]
    return next((name for name in names if shutil.which(name, path=variables.get("PATH"))), None)


def check_compiler(variables: Mapping[str, str], headers: str) -> None:
    """Refuse, before a long download, a machine on which the extension cannot be built."""
    if find_compiler(variables) is None:
        looked = variables.get("CXX") or "c++, g++, clang++"
        raise Failure(
            f"no C++ compiler found (looked for {looked}); install one (Debian: apt install g++) "
            "or set GENBENCH_BUILD=skip to use the reference formulas"
        )
    if not os.path.exists(os.path.join(headers, "Python.h")):
        raise Failure(
            f"no Python.h in {headers}; install Python's headers (Debian: apt install python3-dev) "
            "or set GENBENCH_BUILD=skip to use the reference formulas"
        )


def diagnose(output: str) -> str:
    """The one line of a failed command's output that says why it failed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no output"]
    compiler = next((line for line in lines if COMPILE_ERROR.match(line)), None)
    if compiler:
        return compiler
    last = next((line for line in reversed(lines) if ERROR.match(line)), lines[-1])
    # pip warns of each try and ends with one of these where every try failed.
    nothing_found = "No matching distribution" in last or "ResolutionImpossible" in last
    if UNREACHABLE.search(output if nothing_found else last):
        return "no package index could be reached (see the network, PIP_INDEX_URL and proxies)"
    pinned = re.search(r"The user requested \(constraint\) (\S+)", output)
    return f"no version fits the pin {pinned[1]}" if nothing_found and pinned else last
