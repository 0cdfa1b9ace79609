"""Builds the fused operations; everything else about the package is in pyproject.toml.

GENBENCH_BUILD=auto     a C++ compiler and torch are there: build, and fail where that fails;
                        otherwise one notice, and the package runs the reference formulas
GENBENCH_BUILD=require  build; what is missing is an error
GENBENCH_BUILD=skip     no extension
"""

import hashlib
import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MODES = ("auto", "require", "skip")

COMPILE_FLAGS = [
    "-O3",
    "-g0",
    "-Wall",
    "-Wextra",
    "-fvisibility=hidden",
    # Nothing reads errno or the floating-point flags: square roots become single instructions,
    # and loops with a choice inside them vectorise. No result changes.
    "-fno-math-errno",
    "-fno-trapping-math",
    # a * b + c in one rounding where the machine has it.
    "-ffp-contract=fast",
]
# The oldest torch whose stable C++ interface is used: the library loads under any newer one.
TARGET_VERSION = "-DTORCH_TARGET_VERSION=0x020a000000000000"


def compiler() -> str | None:
    """The C++ compiler that the build will call, or None."""
    configured = os.environ.get("CXX") or sysconfig.get_config_var("CXX") or ""
    wanted = [configured.split()[0]] if configured.split() else []
    if not os.environ.get("CXX"):
        wanted += ["c++", "g++", "clang++"]
    return next((name for name in wanted if shutil.which(name)), None)


def missing(mode: str) -> str | None:
    """What stands in the way of a build, and its cure."""
    if compiler() is None:
        return "no C++ compiler was found: install g++, or name one in CXX"
    if importlib.util.find_spec("torch") is None:
        return "torch is not importable here: install it first, then use --no-build-isolation"
    for module in ("pybind11", "ninja"):
        found = importlib.util.find_spec(module) or (module == "ninja" and shutil.which(module))
        if not found and (module == "pybind11" or mode == "require"):
            return f"{module} is not installed: pip install {module}"
    return None


def build_mode() -> tuple[str, str | None]:
    """The mode asked for, and why nothing is built (None: the extension is)."""
    mode = os.environ.get("GENBENCH_BUILD") or "auto"
    if mode not in MODES:
        sys.exit(f"GENBENCH_BUILD must be auto, require or skip, got {mode!r}")
    if mode == "skip":
        return mode, "GENBENCH_BUILD=skip"
    obstacle = missing(mode)
    if obstacle and mode == "require":
        sys.exit(f"GENBENCH_BUILD=require, but {obstacle}")
    if obstacle:
        print(f"genbench: fused operations are not built, {obstacle}", file=sys.stderr)
    return mode, obstacle


def sources(*patterns: str) -> list[str]:
    found = (path for pattern in patterns for path in (ROOT / "csrc").glob(pattern))
    return sorted(str(path.relative_to(ROOT)) for path in found)


def digest() -> str:
    """SHA-256 of the names and contents of csrc/: what the kernels compute."""
    content = hashlib.sha256()
    for path in sources("**/*.h", "**/*.cpp"):
        content.update(path.encode() + b"\0" + (ROOT / path).read_bytes())
    return content.hexdigest()


def put_ninja_on_path() -> None:
    """torch calls `ninja`: pip's lies beside an interpreter whose folder need not be on PATH."""
    if importlib.util.find_spec("ninja") is not None:
        import ninja

        os.environ["PATH"] = os.pathsep.join([ninja.BIN_DIR, os.environ.get("PATH", "")])


def extensions() -> list[Extension]:
    """The operations, a library that torch loads, and the module that tells of the build."""
    import pybind11

    put_ninja_on_path()
    from torch.utils.cpp_extension import include_paths, library_paths

    headers = [str(path) for path in (ROOT / "csrc").rglob("*.h")]
    operations = Extension(
        "genbench._ops",
        sources=[
            path for path in sources("cpu/*.cpp", "bindings/*.cpp") if "module.cpp" not in path
        ],
        library_dirs=library_paths(),
        libraries=["torch", "torch_cpu"],
        # -isystem: no warnings about torch's own headers
        extra_compile_args=[
            *COMPILE_FLAGS,
            TARGET_VERSION,
            *(f"-isystem{path}" for path in include_paths()),
        ],
        depends=headers,
        language="c++",
    )
    build = Extension(
        "genbench._build",
        sources=sources("bindings/module.cpp", "cpu/dispatch.cpp"),
        define_macros=[("GENBENCH_SOURCES", f'"{digest()}"')],
        include_dirs=[pybind11.get_include()],
        extra_compile_args=COMPILE_FLAGS,
        depends=headers,
        language="c++",
    )
    return [operations, build]


def record(root: Path, text: str) -> None:
    """Leaves in the package how it was built; `genbench kernels` and a test read it."""
    (root / "genbench").mkdir(parents=True, exist_ok=True)
    (root / "genbench" / "_build_mode.txt").write_text(text + "\n")


def commands(mode: str, obstacle: str | None) -> dict[str, type]:
    text = f"skip: {obstacle}" if obstacle else mode

    class BuildPy(build_py):
        def run(self) -> None:
            super().run()
            record(ROOT if self.editable_mode else Path(self.build_lib), text)

    if obstacle:
        from setuptools.command.build_ext import build_ext as base
    else:
        from torch.utils.cpp_extension import BuildExtension as base

    class BuildExt(base):  # pyright: ignore[reportGeneralTypeIssues]  # torch's is untyped
        def run(self) -> None:
            super().run()
            if self.inplace:
                record(ROOT, text)

    return {"build_py": BuildPy, "build_ext": BuildExt}


def main() -> None:
    mode, obstacle = build_mode()
    setup(
        ext_modules=[] if obstacle else extensions(),
        cmdclass=commands(mode, obstacle),
    )


main()
