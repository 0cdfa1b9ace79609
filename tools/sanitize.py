"""Runs the operations' tests under AddressSanitizer and UndefinedBehaviorSanitizer: `make asan`.

Builds the CPU kernels once more into build/asan, with gcc; proves by planted bugs that both
sanitizers watch; then runs the tests of tests/ops that reach a kernel.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "asan"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
FLAGS = ["-O1", "-g1", "-fno-omit-frame-pointer", *SANITIZERS]
PLANTED = ROOT / "tests" / "csrc" / "planted.cpp"
LIBRARY = BUILD / "planted.so"

# A call that is right, the same call with a bug, and what the sanitizer says of it.
BUGS = [
    ("read(torch.ones(7), 6)", "read(torch.ones(7), 7)", "heap-buffer-overflow"),
    ("shift(31)", "shift(40)", "runtime error: shift exponent 40 is too large"),
]
# Two runs, side by side.
TESTS = [
    ("test_every_kernel.py",),
    ("test_every_operation.py", "test_reparameterize_kl.py", "test_*_kernels.py"),
]
# The reference has no kernels, and torch.compile makes its own. Without optimisation no product
# and sum become one, and the kernels' roundings are those of the reference.
LEFT_OUT = "[reference", "values_and_slopes", "derivatives", "compile", "inductor", "takes_the_call"
CHOSEN = f"not ({' or '.join(LEFT_OUT)})"


def main() -> None:
    compiler = os.environ.get("CXX") or "g++"
    if shutil.which(compiler) is None:
        sys.exit(f"make asan needs gcc, {compiler} was not found: install g++, or name one in CXX")
    build(compiler)
    watched = environment(compiler)
    for right, wrong, report in BUGS:
        prove(watched, right, wrong, report)
    with ThreadPoolExecutor() as pool:
        finished = [*pool.map(lambda files: test(files, watched), TESTS)]
    sys.exit(max(finished))


def test(patterns: tuple[str, ...], watched: dict[str, str]) -> int:
    """Runs files of tests/ops; pytest's exit code."""
    folder = ROOT / "tests" / "ops"
    files = [str(path) for pattern in patterns for path in sorted(folder.glob(pattern))]
    # pytest would put "." first on the path, where another build lies
    options = ["-q", "-o", "pythonpath=tools", "--hypothesis-profile=asan", "-k", CHOSEN]
    command = [sys.executable, "-m", "pytest", *options, *files]
    finished = subprocess.run(command, cwd=ROOT, env=watched, capture_output=True, text=True)
    print(finished.stdout, finished.stderr, sep="", end="")
    return finished.returncode


def build(compiler: str) -> None:
    """The package with its extension in build/asan, and the planted bugs beside it."""
    from torch.utils.cpp_extension import include_paths, library_paths

    flags = {"GENBENCH_COMPILE_FLAGS": " ".join(FLAGS), "LDFLAGS": " ".join(SANITIZERS)}
    mode = {"GENBENCH_BUILD": "require", "GENBENCH_CUDA": "skip", "CXX": compiler}
    folders = ["--build-lib", str(BUILD), "--build-temp", str(BUILD / "objects")]
    setup = [sys.executable, "setup.py", "-q", "build", *folders]
    run(setup, os.environ | flags | mode)
    if LIBRARY.is_file() and LIBRARY.stat().st_mtime > PLANTED.stat().st_mtime:
        return
    headers = [f"-isystem{path}" for path in include_paths()]
    torch = [*(f"-L{path}" for path in library_paths()), "-ltorch", "-ltorch_cpu"]
    target = ["-std=c++20", "-shared", "-fPIC", "-DTORCH_TARGET_VERSION=0x020a000000000000"]
    run([compiler, *FLAGS, *target, *headers, str(PLANTED), *torch, "-o", str(LIBRARY)], os.environ)


def run(command: list[str], environment) -> None:
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"make asan: {' '.join(command[:4])} failed\n{finished.stdout}{finished.stderr}")


def environment(compiler: str) -> dict[str, str]:
    """That of a process whose kernels are watched."""
    # libstdc++ too: the sanitizer looks for its __cxa_throw when it starts.
    names = ("libasan.so", "libubsan.so", "libstdc++.so")
    return os.environ | {
        "LD_PRELOAD": " ".join(library(compiler, name) for name in names),
        # Python and torch leave their globals to the exiting process: no leak of ours.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(BUILD),
        "PYTHONSAFEPATH": "1",  # not the checkout's own build, which lies in the current folder
    }


def library(compiler: str, name: str) -> str:
    question = [compiler, f"-print-file-name={name}"]
    path = subprocess.run(question, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(path).is_absolute():
        sys.exit(f"make asan needs gcc's {name}, which {compiler} does not have")
    return str(Path(path).resolve())


def prove(watched: dict[str, str], right: str, wrong: str, report: str) -> None:
    """The right call passes, the wrong one is reported and ends the process."""
    for call, caught in ((right, False), (wrong, True)):
        script = f"import torch; torch.ops.load_library({str(LIBRARY)!r}); "
        script += f"torch.ops.genbench_planted.{call}"
        command = [sys.executable, "-c", script]
        finished = subprocess.run(command, env=watched, capture_output=True, text=True)
        seen = report in finished.stderr and PLANTED.name in finished.stderr
        if (finished.returncode != 0, seen) != (caught, caught):
            fate = "is not reported" if caught else "is refused"
            sys.exit(f"make asan: the planted {call} {fate}\n{finished.stderr}")


if __name__ == "__main__":
    main()
