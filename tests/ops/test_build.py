"""What the installation built, and what setup.py answers to GENBENCH_BUILD."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import genbench
from genbench.ops.backend import active, build_info, load_error

PACKAGE = Path(genbench.__file__).parent
SETUP = PACKAGE.parent / "setup.py"
checkout = pytest.mark.skipif(not SETUP.is_file(), reason="setup.py is in the repository only")


def test_the_installation_uses_its_kernels():
    """Fails, not skips, where the extension is missing: only a plain wish for none excuses it."""
    if os.environ.get("GENBENCH_BACKEND") == "reference":
        pytest.skip("GENBENCH_BACKEND=reference")
    record = PACKAGE / "_build_mode.txt"
    mode = record.read_text().strip() if record.is_file() else "require"
    if mode.startswith("skip"):
        pytest.skip(f"installed without extension, {mode}")
    assert active() == "fused", load_error()
    registered = torch._C._dispatch_has_kernel_for_dispatch_key
    for name in ("uniform", "normal", "reparameterize_kl_forward", "reparameterize_kl_backward"):
        assert registered(f"genbench::{name}", "CPU")


def test_the_module_tells_the_truth(kernels):
    from genbench import _build

    sets = _build.instruction_sets()
    assert sets[0] == "baseline" and _build.instruction_set() in sets
    if not os.environ.get("GENBENCH_INSTRUCTION_SET"):
        assert _build.instruction_set() == sets[-1]
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        assert sets == ["baseline", "avx2", "avx512"]
    # Random123's known answer for the zero counter and key
    words = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert list(_build.philox_4x32_10(block=0, stream=0, key=0)) == words


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm of binutils")
def test_the_library_keeps_to_the_stable_interface(kernels):
    """Of torch it asks for the versioned C functions alone: it loads under another torch too."""
    info = build_info()
    assert info is not None
    listed = subprocess.run(
        ["nm", "-D", "--undefined-only", info["library"]],
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line.split()[-1] for line in listed.stdout.splitlines()]
    assert any(name.startswith("torch_call_dispatcher") for name in names)
    # mangled names of at::, c10:: and torch:: would be C++ symbols of one torch version
    assert not [name for name in names if re.match(r"_ZNK?(2at|3c10|5torch)", name)]


def ask(*hidden, **environment):
    """setup.py --version: decides about the build, and builds nothing. hidden: absent modules."""
    clean = {k: v for k, v in os.environ.items() if k not in ("GENBENCH_BUILD", "CXX")}
    code = (
        "import runpy, sys; sys.argv = ['setup.py', '--version'];"
        f"sys.modules.update(dict.fromkeys({hidden!r})); runpy.run_path('setup.py')"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=SETUP.parent,
        env=clean | environment,
        capture_output=True,
        text=True,
    )


def refusal(finished):
    """The line a build is refused with: the last one, and no traceback."""
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    return finished.stderr.strip().splitlines()[-1]


@checkout
@pytest.mark.parametrize("value", ["yes", "Require", "1"])
def test_unknown_build_modes(value):
    line = refusal(ask(GENBENCH_BUILD=value))
    assert line == f"GENBENCH_BUILD must be auto, require or skip, got {value!r}"


@checkout
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"GENBENCH_CUDA": "yes"}, "GENBENCH_CUDA must be auto, require or skip, got 'yes'"),
        ({"TORCH_CUDA_ARCH_LIST": "hopper"}, "versions such as 8.0 or 9.0+PTX, got 'hopper'"),
        ({"TORCH_CUDA_ARCH_LIST": "7.0 7.5"}, "architecture 8.0 or newer, got TORCH_CUDA_ARCH_"),
        ({"GENBENCH_CUDA": "require", "PATH": "bin", "CUDA_HOME": "none"}, "no nvcc was found"),
    ],
)
def test_refused_cuda_settings(tmp_path, settings, words):
    nvcc = tmp_path / "nvcc"  # a machine without one refuses the same lists
    nvcc.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n")
    nvcc.chmod(0o755)
    compilers = tmp_path / "bin"
    compilers.mkdir()
    for name in ("g++", "c++"):
        (compilers / name).symlink_to(shutil.which(name) or "/bin/false")
    path = {"bin": str(compilers)}.get(
        settings.get("PATH", ""), f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    )
    line = refusal(ask(**({"GENBENCH_BUILD": "require"} | settings | {"PATH": path})))
    assert words in line


@checkout
def test_a_machine_without_nvcc_builds_for_the_cpu(tmp_path):
    (tmp_path / "c++").symlink_to(shutil.which("c++") or "/bin/false")
    for mode in ("auto", "skip"):
        finished = ask(GENBENCH_CUDA=mode, PATH=str(tmp_path), CXX="c++", CUDA_HOME="none")
        assert finished.returncode == 0, finished.stderr


@checkout
def test_require_names_what_is_missing():
    line = refusal(ask(GENBENCH_BUILD="require", CXX="no-such-compiler"))
    assert line.startswith("GENBENCH_BUILD=require, but no C++ compiler was found")
    line = refusal(ask("torch", GENBENCH_BUILD="require"))
    assert line.startswith("GENBENCH_BUILD=require, but torch is not importable here")
    # torch ships the headers of pybind11, and its build goes on without ninja
    finished = ask("pybind11", "ninja", GENBENCH_BUILD="require")
    assert finished.returncode == 0, finished.stderr


@checkout
@pytest.mark.parametrize("mode", ["auto", "", "skip"])
def test_what_is_missing_is_one_notice(mode):
    finished = ask(GENBENCH_BUILD=mode, CXX="no-such-compiler")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip().splitlines()[-1] == genbench.__version__
    notices = [line for line in finished.stderr.splitlines() if line.startswith("genbench: ")]
    assert len(notices) == (mode != "skip")
    assert all("no C++ compiler was found" in line for line in notices)
    finished = ask("torch", GENBENCH_BUILD=mode)
    assert finished.returncode == 0 and ("torch" in finished.stderr) == (mode != "skip")


@checkout
@pytest.mark.skipif(shutil.which("clang++") is None, reason="needs clang++")
@pytest.mark.parametrize("instructions", ["avx2", "avx512", "baseline"])
def test_clang_compiles_the_kernels(instructions):
    """It takes no target from a pragma, and refuses intrinsics that its own target lacks."""
    sources = sorted((SETUP.parent / "csrc" / "cpu").glob(f"*_{instructions}.cpp"))
    assert sources
    command = ["clang++", "-std=c++17", "-w", "-fsyntax-only", *map(str, sources)]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
