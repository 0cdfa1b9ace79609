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
def test_require_names_what_is_missing():
    line = refusal(ask(GENBENCH_BUILD="require", CXX="no-such-compiler"))
    assert line.startswith("GENBENCH_BUILD=require, but no C++ compiler was found")
    line = refusal(ask("torch", GENBENCH_BUILD="require"))
    assert line.startswith("GENBENCH_BUILD=require, but torch is not importable here")
    line = refusal(ask("pybind11", GENBENCH_BUILD="require"))
    assert line.endswith("pybind11 is not installed: pip install pybind11")


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
