"""The four steps to an environment: an empty one, torch, the packages, the extension."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from installed import distributions, is_whole, sweep
from machine import (
    Failure,
    check_compiler,
    check_modules,
    diagnose,
    find_compiler,
)
from steps import Step, digest, do, is_done, locked, recall, remember

MODES = ("auto", "require", "skip")


def pin(constraints: str, name: str) -> str:
    """The line of constraints.txt that pins a package, e.g. 'torch==2.13.0'."""
    found = re.search(rf"^{re.escape(name)}==\S+", constraints, re.MULTILINE)
    if found is None:
        raise Failure(f"constraints.txt does not pin {name}; add a line {name}==VERSION")
    return found.group()


class Environment:
    """A checkout's .venv: what belongs into it, and the commands that put it there."""

    def __init__(self, root: Path, variables: Mapping[str, str]) -> None:
        self.root, self.venv = root, root / ".venv"
        self.python, self.log = self.venv / "bin" / "python", self.venv / "install.log"
        self.mode = variables.get("GENBENCH_BUILD") or "require"
        if self.mode not in MODES:
            raise Failure(f"GENBENCH_BUILD must be one of {', '.join(MODES)}, got {self.mode!r}")
        self.objects = self.venv / "objects.json"
        self.compiler = find_compiler(variables)
        # What would send packages elsewhere than into .venv, or read them from elsewhere.
        stray = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME")
        self.variables = {key: value for key, value in variables.items() if key not in stray}
        self.variables.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONUNBUFFERED="1")
        if self.compiler == "clang++":
            self.variables.setdefault("CXX", "clang++")  # torch's build looks for c++ alone
        self.lock = -1

    def steps(self) -> list[Step]:
        """Every step, first to last."""
        constraints = self.root / "constraints.txt"
        torch = pin(constraints.read_text(), "torch")
        inputs = [constraints, self.root / "pyproject.toml", self.root / "setup.py"]
        packages = json.dumps(digest(self.root, inputs))
        has = self.has_packages
        without = self.mode == "skip" or (self.mode == "auto" and not self.compiler)
        title = "leaving the extension out" if without else "building the extension"
        build = json.dumps([self.mode, title, self.sources()])
        return [
            Step("venv", "making .venv", str(self.venv), self.make_venv, self.has_pip),
            Step("torch", f"installing {torch}", torch, self.make_torch, has),
            Step("packages", "installing packages", packages, self.make_packages, has),
            Step("extension", title, build, self.build, self.built),
        ]

    @property
    def site(self) -> Path:
        """The environment's site-packages folder (a name that is not there before step one)."""
        return next(iter(self.venv.glob("lib/python3.*/site-packages")), self.venv / "nowhere")

    def run(self, *command: str, **variables: str) -> None:
        """Run a command with its output in the log; Failure says in one line why it failed."""
        with open(self.log, "ab") as log:
            start = log.tell()
            log.write(f"$ {shlex.join(command)}\n".encode())
            log.flush()
            # The child holds the lock too: it may outlive a killed parent and write on.
            code = subprocess.run(
                command,
                cwd=self.root,
                env={**self.variables, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[self.lock],
            ).returncode
        if code:
            output = self.log.read_bytes()[start:].decode(errors="replace").split("\n", 1)[1]
            raise Failure(f"{diagnose(output)}; log: {self.log.relative_to(self.root)}")

    def pip_install(self, *arguments: str) -> None:
        """pip install, with this project's pins."""
        sweep(self.site)
        base = (str(self.python), "-m", "pip", "install", "--no-input", "-c", "constraints.txt")
        # Compiling every module takes as long as unpacking; Python compiles those it imports.
        self.run(*base, "--no-compile", *arguments, GENBENCH_BUILD="skip")

    def make_venv(self) -> None:
        """An empty environment; whatever stood in .venv goes, but for the lock held meanwhile."""
        for path in self.venv.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        # Not sys.executable: in an activated .venv that is what was just removed.
        self.run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(self.venv))

    def has_pip(self, left: None) -> bool:
        """Whether the environment's interpreter runs and finds a whole pip."""
        pips = [path for name, path in distributions(self.site).items() if name.startswith("pip-")]
        if not pips or not is_whole(pips[0], sizes=False):
            return False
        command = [str(self.python), "-I", "-c", "import pip"]
        runs = self.python.exists()
        return runs and subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0

    def make_torch(self) -> list[str]:
        """torch first and alone, so that no other package's wishes choose its build."""
        self.pip_install("torch")
        return [name for name in distributions(self.site) if name.startswith("torch-")]

    def make_packages(self) -> list[str]:
        """The build tools, which setup.py imports, then the package itself with all it needs."""
        self.pip_install("setuptools", "ninja", "pybind11")
        self.pip_install("--no-build-isolation", "-e", ".[dev]")
        others = ("pip-", "torch-")  # other steps look after these
        return [name for name in distributions(self.site) if not name.startswith(others)]

    def has_packages(self, left: list[str]) -> bool:
        """Whether every distribution of that name and version is there with all its files."""
        there = distributions(self.site)
        return all(name in there and is_whole(there[name], sizes=False) for name in left)

    def libraries(self) -> dict[str, str]:
        """What the extension's build leaves in the package, with digests."""
        return digest(self.root, self.root.glob("genbench/**/*.so"))

    def sources(self) -> dict[str, str]:
        """What the extension is built from, with digests; the torch under "torch"."""
        torch = pin((self.root / "constraints.txt").read_text(), "torch")
        files = [self.root / "setup.py", *self.root.glob("csrc/**/*")]
        return {"torch": torch, **digest(self.root, files)}

    def freshen(self) -> dict[str, str]:
        """Ninja goes by time: make what changed since the last whole build look new to it.

        Returns the digests that the build about to run is for.
        """
        before, now = recall(self.objects), self.sources()
        # Linked libraries always go: setuptools knows of no headers, and would not link anew.
        stale = ["build/lib.*"] + ["build/temp.*"] * (before.get("torch") != now["torch"])
        for folder in (path for pattern in stale for path in self.root.glob(pattern)):
            shutil.rmtree(folder)
        for name in now.keys() - {"torch"}:
            if before.get(name) != now[name]:
                os.utime(self.root / name)
        return now

    def build(self) -> dict[str, str]:
        """Compile into the package what changed, and link; returns the libraries."""
        for name in self.libraries():
            (self.root / name).unlink()
        sources = self.freshen()
        path = f"{self.python.parent}{os.pathsep}{self.variables.get('PATH', os.defpath)}"
        command = (str(self.python), "setup.py", "build_ext", "--inplace")
        self.run(*command, PATH=path, GENBENCH_BUILD=self.mode)
        libraries = self.libraries()
        if self.mode == "require" and not libraries:
            raise Failure(f"setup.py built no library; log: {self.log.relative_to(self.root)}")
        remember(self.objects, sources)
        return libraries

    def built(self, left: dict[str, str]) -> bool:
        """Whether the libraries are those that the build left."""
        return self.libraries() == left


def set_up(environment: Environment) -> None:
    """Run the steps that are not done; what they need is checked before the first of them."""
    pending = [step.name for step in environment.steps() if not is_done(step, environment.venv)]
    running, kept = "python{}.{}".format(*sys.version_info[:2]), environment.site.parent.name
    if "venv" not in pending and kept != running:
        print(f".venv keeps {kept}; remove it to change to {running}")
    if not pending:
        return
    if "venv" in pending:
        check_modules()
    if environment.mode == "require" and "extension" in pending:
        check_compiler(environment.variables, sysconfig.get_path("include"))
    lock = environment.venv / "lock"
    if environment.venv.is_dir() and any(environment.venv.iterdir()) and not lock.exists():
        raise Failure(".venv is there but make did not make it; move it away and run again")
    environment.venv.mkdir(exist_ok=True)
    with locked(lock) as environment.lock:
        environment.log.write_bytes(b"")
        for step in environment.steps():
            if not is_done(step, environment.venv):
                do(step, environment.venv)
