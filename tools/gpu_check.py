"""Everything that needs an NVIDIA GPU, in under eight minutes: build, test, sanitize, time.

Run by `make gpu-check` with the machine's own Python and torch: standard library only, no network,
no .venv. Leaves summary.json, summary.txt, two logs and the benchmark rows under --results. Exit: 0
all stages passed, 1 one did not, 2 no GPU or no nvcc.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TORCH = """
import json, torch
found = torch.cuda.is_available()
print(json.dumps({
    "torch": torch.__version__, "cuda": torch.version.cuda, "devices": torch.cuda.device_count(),
    "gpu": torch.cuda.get_device_name() if found else None,
    "capability": list(torch.cuda.get_device_capability()) if found else None,
}))
"""
# Each tool on short and long rows of all operations: kernels of one block and of many.
SUBJECT = "(test_short_and_long_rows and (300 or 2049)) or test_two_streams_at_once"
# initcheck must see what torch's own kernels write; the others need to watch ours alone.
OURS = ["--kernel-regex", "kns=genbench"]
TOOLS = {"memcheck": OURS, "racecheck": OURS, "synccheck": OURS, "initcheck": []}
GRACE = 10  # seconds between the signals that end a stage


@dataclass(frozen=True)
class Stage:
    """A command, its limit in seconds, and the log its output is added to."""

    name: str
    command: Sequence[str]
    limit: float
    log: str
    environment: tuple[tuple[str, str], ...] = ()
    missing: str = ""  # why the stage cannot run here


@dataclass(frozen=True)
class Result:
    name: str
    status: str  # passed, failed, timeout or skipped
    seconds: float
    detail: str


def stages(python: str, results: Path, which: Callable[[str], str | None]) -> list[Stage]:
    """What a check runs, in order; their limits add up to less than eight minutes."""
    pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    build = [python, "setup.py", "build_ext", "--inplace"]
    rows = f"--benchmark-json={results / 'benchmarks.json'}"
    required = (("GENBENCH_BUILD", "require"), ("GENBENCH_CUDA", "require"))
    found = [
        Stage("build", build, 100, "build.log", required),
        Stage("tests", [*pytest, "-m", "cuda", "tests"], 110, "tests.log"),
    ]
    sanitizer = which("compute-sanitizer")
    for tool, options in TOOLS.items():
        command = [sanitizer or "compute-sanitizer", "--tool", tool, "--error-exitcode", "1"]
        command += [*options, *pytest, "-m", "cuda", "-x", "tests/cuda", "-k", SUBJECT]
        # Every tensor its own allocation: what lies beyond its end is then not another tensor.
        alone = (("PYTORCH_NO_CUDA_MEMORY_CACHING", "1"),)
        missing = "" if sanitizer else "compute-sanitizer is not installed"
        found.append(Stage(tool, command, 35, "tests.log", alone, missing))
    bench = [*pytest, "benchmarks", "--benchmark-only", "--device", "cuda", rows]
    found.append(Stage("benchmarks", [*bench, "-k", "not compile and not stack"], 100, "tests.log"))
    return found


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask first, so that pytest leaves the rows it has; then end the whole group."""
    for number in (signal.SIGINT, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            process.wait(GRACE)
            return
        except subprocess.TimeoutExpired:
            continue


def last_line(log: Path, start: int) -> str:
    """What a command said last, of the output behind `start`."""
    lines = log.read_bytes()[start:].decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:160] if said else "no output"


def run(stage: Stage, results: Path) -> Result:
    """One stage in a process group of its own, its output in its log."""
    if stage.missing:
        return Result(stage.name, "skipped", 0.0, stage.missing)
    started = time.monotonic()
    path = results / stage.log
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | dict(stage.environment)
    with path.open("ab") as log:
        log.write(f"\n=== {stage.name}\n".encode())
        log.flush()
        start = log.tell()
        process = subprocess.Popen(
            stage.command, cwd=ROOT, env=variables, stdout=log, stderr=log, start_new_session=True
        )
        try:
            status = "passed" if process.wait(stage.limit) == 0 else "failed"
        except subprocess.TimeoutExpired:
            status = "timeout"
            stop(process)
    seconds = round(time.monotonic() - started, 1)
    return Result(stage.name, status, seconds, last_line(path, start))


def run_all(todo: Iterable[Stage], results: Path) -> list[Result]:
    """The stages in order; without a build there is nothing for the others to run."""
    done: list[Result] = []
    for stage in todo:
        if done and done[0].name == "build" and done[0].status != "passed":
            done.append(Result(stage.name, "skipped", 0.0, "the build did not pass"))
            continue
        print(f"gpu-check: {stage.name} (at most {stage.limit:.0f} s)", flush=True)
        done.append(run(stage, results))
    return done


def screen(about: dict[str, Any], done: list[Result]) -> str:
    """The summary for people."""
    head = f"{about['gpu']}, torch {about['torch']} (CUDA {about['cuda']}), {about['nvcc']}"
    lines = [f"{r.name:12} {r.status:8} {r.seconds:6.1f} s  {r.detail}" for r in done]
    return "\n".join([head, *lines, f"{sum(r.seconds for r in done):.0f} s in all"])


def look(python: str) -> dict[str, Any]:
    """The machine's torch, GPU and nvcc. Raises LookupError, in one line, where one is missing."""
    asked = subprocess.run([python, "-c", TORCH], capture_output=True, text=True)
    if asked.returncode != 0:
        raise LookupError(f"{python} has no torch to check with; set PYTHON=/path/to/python3")
    about: dict[str, Any] = json.loads(asked.stdout.splitlines()[-1])
    if about["gpu"] is None:
        raise LookupError(f"torch {about['torch']} finds no CUDA device on this machine")
    nvcc = shutil.which("nvcc") or shutil.which(
        "nvcc", path=f"{os.environ.get('CUDA_HOME', '/usr/local/cuda')}/bin"
    )
    if nvcc is None:
        raise LookupError("no nvcc was found to build with; install the CUDA toolkit")
    told = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"release \S+ V(\S+)", told)
    return about | {"nvcc": f"nvcc {version[1] if version else 'of unknown version'}"}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "gpu")
    results = parser.parse_args(arguments).results.resolve()
    try:
        about = look(sys.executable)
        results.mkdir(parents=True, exist_ok=True)
    except (LookupError, OSError) as problem:
        print(f"gpu-check: {problem}", file=sys.stderr)
        return 2
    for name in ("build.log", "tests.log", "benchmarks.json"):
        (results / name).unlink(missing_ok=True)
    done = run_all(stages(sys.executable, results, shutil.which), results)
    passed = all(result.status in ("passed", "skipped") for result in done)
    record = {"passed": passed, **about, "stages": [asdict(result) for result in done]}
    (results / "summary.json").write_text(json.dumps(record, indent=1) + "\n")
    text = screen(about, done)
    (results / "summary.txt").write_text(text + "\n")
    print(text)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
