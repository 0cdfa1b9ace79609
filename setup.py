"""Builds the fused operations; everything else about the package is in pyproject.toml.

GENBENCH_BUILD=auto     a C++ compiler and torch are there: build, and fail where that fails;
                        otherwise one notice, and the package runs the reference formulas
GENBENCH_BUILD=require  build; what is missing is an error
GENBENCH_BUILD=skip     no extension

GENBENCH_CUDA=auto|require|skip asks the same of the CUDA kernels in it, which nvcc compiles, for
TORCH_CUDA_ARCH_LIST ("8.0 9.0+PTX" where that is not set). GENBENCH_COMPILE_FLAGS come behind
the flags below; `make asan` sets them.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
import sysconfig
from functools import partial
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tools"))
import nvcc  # noqa: E402

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
    *os.environ.get("GENBENCH_COMPILE_FLAGS", "").split(),
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


def pybind11_headers() -> str | None:
    """Those of the package, else those that torch ships."""
    for package, folder in (("pybind11", "include"), ("torch", "include")):
        spec = importlib.util.find_spec(package)
        found = Path(spec.origin or "").parent / folder if spec else None
        if found and (found / "pybind11").is_dir():
            return str(found)
    return None


def missing() -> str | None:
    """What stands in the way of a build, and its cure."""
    if compiler() is None:
        return "no C++ compiler was found: install g++, or name one in CXX"
    if importlib.util.find_spec("torch") is None:
        return "torch is not importable here: install it first, then use --no-build-isolation"
    if pybind11_headers() is None:
        return "pybind11 is not installed: pip install pybind11"
    return None


def asked(variable: str) -> str:
    mode = os.environ.get(variable) or "auto"
    if mode not in MODES:
        sys.exit(f"{variable} must be auto, require or skip, got {mode!r}")
    return mode


def build_mode() -> tuple[str, str | None]:
    """The mode asked for, and why nothing is built (None: the extension is)."""
    mode = asked("GENBENCH_BUILD")
    if mode == "skip":
        return mode, "GENBENCH_BUILD=skip"
    obstacle = missing()
    if obstacle and mode == "require":
        sys.exit(f"GENBENCH_BUILD=require, but {obstacle}")
    if obstacle:
        print(f"genbench: fused operations are not built, {obstacle}", file=sys.stderr)
    return mode, obstacle


def cuda_toolkit() -> nvcc.Toolkit | None:
    """What compiles the CUDA kernels; None: the build has none."""
    mode = asked("GENBENCH_CUDA")
    try:
        return None if mode == "skip" else nvcc.find(os.environ)
    except nvcc.Refusal as refusal:
        # A machine without nvcc has no GPU to speak of; a wrong list of architectures is a slip.
        if mode == "require" or "ARCH_LIST" in str(refusal):
            sys.exit(f"GENBENCH_CUDA={mode}, but {refusal}")
        print(f"genbench: CUDA kernels are not built, {refusal}", file=sys.stderr)
    return None


def sources(*patterns: str) -> list[str]:
    found = (path for pattern in patterns for path in (ROOT / "csrc").glob(pattern))
    return sorted(str(path.relative_to(ROOT)) for path in found)


def digest() -> str:
    """SHA-256 of the names and contents of csrc/: what the kernels compute."""
    content = hashlib.sha256()
    for path in sources("**/*.h", "**/*.cpp", "**/*.cu", "**/*.cuh"):
        content.update(path.encode() + b"\0" + (ROOT / path).read_bytes())
    return content.hexdigest()


def put_ninja_on_path() -> None:
    """torch calls `ninja`: pip's lies beside an interpreter whose folder need not be on PATH."""
    if importlib.util.find_spec("ninja") is not None:
        import ninja

        os.environ["PATH"] = os.pathsep.join([ninja.BIN_DIR, os.environ.get("PATH", "")])


def operations(toolkit: nvcc.Toolkit | None) -> Extension:
    """The operations, a library that torch loads."""
    from torch.utils.cpp_extension import include_paths, library_paths

    files = sources("cpu/*.cpp", "bindings/*.cpp")
    return Extension(
        "genbench._ops",
        sources=[path for path in files if "module.cpp" not in path],
        define_macros=[("GENBENCH_CUDA", None)] if toolkit else [],
        library_dirs=library_paths() + (list(toolkit.libraries) if toolkit else []),
        # The CUDA runtime inside the library: it loads under a torch without CUDA too.
        libraries=["torch", "torch_cpu"] + (["cudart_static", "rt", "dl"] if toolkit else []),
        # -isystem: no warnings about torch's own headers
        extra_compile_args=[
            *COMPILE_FLAGS,
            TARGET_VERSION,
            *(f"-isystem{path}" for path in include_paths()),
        ],
        depends=headers(),
        language="c++",
    )


def build_module(toolkit: nvcc.Toolkit | None) -> Extension:
    """The module that tells of the build."""
    cuda = [("GENBENCH_CUDA", f'"{toolkit.describe()}"')] if toolkit else []
    return Extension(
        "genbench._build",
        sources=sources("bindings/module.cpp", "cpu/dispatch.cpp"),
        define_macros=[("GENBENCH_SOURCES", f'"{digest()}"'), *cuda],
        extra_compile_args=[*COMPILE_FLAGS, f"-isystem{pybind11_headers()}"],
        depends=headers(),
        language="c++",
    )


def headers() -> list[str]:
    return [str(path) for path in (ROOT / "csrc").rglob("*.h")]


def record(root: Path, text: str) -> None:
    """Leaves in the package how it was built; `genbench kernels` and a test read it."""
    (root / "genbench").mkdir(parents=True, exist_ok=True)
    (root / "genbench" / "_build_mode.txt").write_text(text + "\n")


def build_command(text: str, toolkit: nvcc.Toolkit | None) -> type:
    """torch's build_ext, with the CUDA objects, and compilers side by side without ninja too."""
    from torch.utils.cpp_extension import BuildExtension

    class BuildExt(BuildExtension):
        def run(self) -> None:
            super().run()
            if self.inplace:
                record(ROOT, text)

        def build_extensions(self) -> None:
            if not self.use_ninja:
                self.compiler.compile = partial(compile_at_once, self.compiler)
            if toolkit:
                (library,) = (e for e in self.extensions if e.name == "genbench._ops")
                folder = Path(self.build_temp).absolute() / "cuda"
                library.extra_objects = nvcc.objects(toolkit, ROOT, folder)
            super().build_extensions()

    return BuildExt


def compile_at_once(  # the signature of CCompiler.compile
    compiler,
    sources,
    output_dir=None,
    macros=None,
    include_dirs=None,
    debug=0,
    extra_preargs=None,
    extra_postargs=None,
    depends=None,
) -> list[str]:
    """CCompiler.compile, which takes one file after the other, on all cores."""
    macros, objects, extra_postargs, preprocessor, build = compiler._setup_compile(
        output_dir, macros, include_dirs, sources, depends, extra_postargs
    )
    arguments = compiler._get_cc_args(preprocessor, debug, extra_preargs)

    def compile(target: str) -> None:
        source, suffix = build[target]
        compiler._compile(target, source, suffix, arguments, extra_postargs, preprocessor)

    nvcc.at_once(compile, build)
    return objects


def commands(mode: str, obstacle: str | None, toolkit: nvcc.Toolkit | None) -> dict[str, type]:
    text = f"skip: {obstacle}" if obstacle else mode

    class BuildPy(build_py):
        def run(self) -> None:
            super().run()
            record(ROOT if self.editable_mode else Path(self.build_lib), text)

    class BuildNothing(build_ext):
        def run(self) -> None:
            super().run()
            if self.inplace:
                record(ROOT, text)

    return {
        "build_py": BuildPy,
        "build_ext": BuildNothing if obstacle else build_command(text, toolkit),
    }


def main() -> None:
    mode, obstacle = build_mode()
    toolkit = None if obstacle else cuda_toolkit()
    if not obstacle:
        put_ninja_on_path()
    setup(
        ext_modules=[] if obstacle else [operations(toolkit), build_module(toolkit)],
        cmdclass=commands(mode, obstacle, toolkit),
    )


main()
