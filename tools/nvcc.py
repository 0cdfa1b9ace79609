"""The CUDA part of the build: which nvcc, for which architectures, and compiling in parallel.

No torch: the kernels know none, so one build serves every CUDA build of torch.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
OLDEST = 80  # bfloat16 conversions in one instruction
DEFAULT = "8.0 9.0+PTX"
FLAGS = [
    "-std=c++17",
    "-O3",
    "--compiler-options=-fPIC,-fvisibility=hidden,-Wall,-Wextra,-Wno-unknown-pragmas",
]


class Refusal(Exception):
    """Why nothing is built for CUDA, in one line."""


@dataclass(frozen=True)
class Toolkit:
    """An nvcc and what it is asked for."""

    nvcc: str
    version: str  # such as 13.0.88
    codes: tuple[str, ...]  # such as sm_80, compute_90
    libraries: tuple[str, ...]  # folders of the static CUDA runtime

    def describe(self) -> str:
        return f"nvcc {self.version}: {' '.join(self.codes)}"

    def flags(self) -> list[str]:
        return [
            *FLAGS,
            *(f"-gencode=arch=compute_{code.split('_')[1]},code={code}" for code in self.codes),
        ]

    def compile(self, source: Path, target: Path) -> None:
        """Errors: Refusal, after nvcc's own words, where the source does not compile."""
        command = [self.nvcc, *self.flags(), "-c", str(source), "-o", str(target)]
        print(shlex.join(command), flush=True)
        if subprocess.run(command).returncode != 0:
            raise Refusal(f"nvcc could not compile {source.name}")


def runtime_folders(nvcc: str) -> tuple[str, ...]:
    """Where the static CUDA runtime lies, as nvcc itself would tell the linker."""
    told = subprocess.run([nvcc, "--dryrun", "x.cu"], capture_output=True, text=True).stderr
    line = re.search(r"^#\$ LIBRARIES=(.*)$", told, flags=re.MULTILINE)
    folders = [flag[2:] for flag in shlex.split(line[1] if line else "") if flag[:2] == "-L"]
    found = tuple(folder for folder in folders if Path(folder, "libcudart_static.a").is_file())
    if not found:
        raise Refusal(f"{nvcc} has no libcudart_static.a with it: install the CUDA toolkit whole")
    return found


def architectures(listed: str) -> tuple[str, ...]:
    """What TORCH_CUDA_ARCH_LIST asks for: "8.0;9.0+PTX" is sm_80, sm_90 and compute_90.

    Versions before 8.0 are left out: the kernels need its bfloat16 instructions.
    """
    codes: list[str] = []
    for name in re.split(r"[;,\s]+", listed.strip()):
        version = re.fullmatch(r"(\d+)\.(\d)([af]?)(\+PTX)?", name)
        if version is None:
            raise Refusal(
                f"TORCH_CUDA_ARCH_LIST must hold versions such as 8.0 or 9.0+PTX, got {name!r}"
            )
        number = version[1] + version[2] + version[3]
        if int(version[1] + version[2]) >= OLDEST:
            codes += [f"sm_{number}"] + [f"compute_{number}"] * bool(version[4])
    if not codes:
        raise Refusal(
            f"the kernels need architecture 8.0 or newer, got TORCH_CUDA_ARCH_LIST={listed!r}"
        )
    return tuple(dict.fromkeys(codes))


def find(variables: Mapping[str, str]) -> Toolkit:
    """The nvcc on PATH, else that of CUDA_HOME. Errors: Refusal where there is none."""
    home = variables.get("CUDA_HOME") or variables.get("CUDA_PATH") or "/usr/local/cuda"
    nvcc = shutil.which("nvcc", path=variables.get("PATH")) or shutil.which(f"{home}/bin/nvcc")
    if nvcc is None:
        raise Refusal("no nvcc was found: install the CUDA toolkit, or name it in CUDA_HOME")
    told = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"release \S+ V(\S+)", told)
    if version is None:
        raise Refusal(f"{nvcc} --version tells no version")
    codes = architectures(variables.get("TORCH_CUDA_ARCH_LIST") or DEFAULT)
    return Toolkit(nvcc, version[1], codes, runtime_folders(nvcc))


def at_once(run: Callable[[Item], object], items: Iterable[Item]) -> None:
    """run(item) for every item, as many at a time as MAX_JOBS or the machine's cores allow."""
    jobs = int(os.environ.get("MAX_JOBS") or os.cpu_count() or 1)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for _ in pool.map(run, items):
            pass


def objects(toolkit: Toolkit, root: Path, folder: Path) -> list[str]:
    """The compiled csrc/cuda/*.cu, made again where a header or the command is newer."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "command.txt"
    told = f"{toolkit.describe()}\n{shlex.join(toolkit.flags())}\n"
    if not command.is_file() or command.read_text() != told:
        command.write_text(told)
    sources = sorted((root / "csrc" / "cuda").glob("*.cu"))
    headers = [path for path in (root / "csrc").rglob("*") if path.suffix in {".h", ".cuh"}]
    newest = max(path.stat().st_mtime for path in [command, *headers])

    def stale(source: Path) -> bool:
        target = folder / f"{source.stem}.o"
        last = max(newest, source.stat().st_mtime)
        return not target.is_file() or target.stat().st_mtime < last

    def compile(source: Path) -> None:
        # under another name first: an interrupted compiler leaves no object that looks done
        part = folder / f"{source.stem}.part.o"
        toolkit.compile(source, part)
        os.replace(part, folder / f"{source.stem}.o")

    at_once(compile, filter(stale, sources))
    return [str(folder / f"{source.stem}.o") for source in sources]
