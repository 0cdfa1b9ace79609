"""The source distribution and the wheel: what they hold, and that each works where it is alone."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import genbench

ROOT = Path(__file__).parents[1]
STEM = f"genbench-{genbench.__version__}"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / ".git").exists() or shutil.which("git") is None,
        reason="a clean checkout needs git",
    ),
]


def run(*command, cwd, **environment):
    """What a command prints, in an environment that knows nothing of this checkout."""
    hidden = ("PYTHONPATH", "GENBENCH_BACKEND", "GENBENCH_INSTRUCTION_SET")
    clean = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean | {"GENBENCH_BUILD": "require"} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The tracked files alone."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in run("git", "ls-files", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def sdist(checkout):
    run(sys.executable, "setup.py", "-q", "sdist", cwd=checkout)
    return checkout / "dist" / f"{STEM}.tar.gz"


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the source distribution, as `make wheel` does."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("-q", "--no-build-isolation", "--no-deps", "--no-cache-dir", "-w", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, sdist, cwd=folder)
    (built,) = folder.iterdir()
    return built


def test_the_source_distribution_is_the_checkout(checkout, sdist):
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    tracked = set(run("git", "ls-files", cwd=ROOT).splitlines())
    left_out = {name for name in tracked - held if (checkout / name).is_file()}
    assert left_out == {".gitignore"}
    made = {"PKG-INFO", "setup.cfg", "genbench.egg-info"}
    more = {name for name in held - tracked if (checkout / name).is_file()}
    assert {name.split("/")[0] for name in more} <= made


def test_the_wheel_holds_the_package_and_its_libraries_alone(checkout, wheel):
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert wheel.name.startswith(f"{STEM}-{python}-{python}-")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    libraries = {name.split(".")[0] for name in names if name.endswith(".so")}
    assert {"genbench/_ops", "genbench/_build"} <= libraries
    plain = {name for name in names if not name.endswith(".so")}
    package = {p.relative_to(checkout).as_posix() for p in checkout.glob("genbench/**/*.py*")}
    folders = ("report/*.json", "report/web/*", "metrics/extractors/weights/*/*")
    data = {
        p.relative_to(checkout).as_posix() for f in folders for p in checkout.glob(f"genbench/{f}")
    }
    assert "genbench/report/web/page.html.j2" in data
    assert plain == package | data | {"genbench/py.typed", "genbench/_build_mode.txt"}


def digest(checkout):
    """What setup.py calls the kernels of a checkout."""
    code = (
        "import runpy, sys; sys.argv = ['setup.py', '--version'];"
        "print(runpy.run_path('setup.py')['digest']())"
    )
    return run(sys.executable, "-c", code, cwd=checkout).split()[-1]


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_installs_where_it_is_alone(kind, checkout, tmp_path, request):
    """A fresh environment that sees this one's torch, but not this one's genbench."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    (packages,) = home.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith("-packages")]
    (packages / "others.pth").write_text("\n".join(others) + "\n")
    python, archive = home / "bin" / "python", request.getfixturevalue(kind)
    options = ("-q", "--no-build-isolation", "--no-deps", "--no-cache-dir", "--ignore-installed")
    # The wheel has compiled the CUDA kernels, where there is nvcc: once is enough.
    run(python, "-m", "pip", "install", *options, archive, cwd=tmp_path, GENBENCH_CUDA="skip")

    told = json.loads(run(home / "bin" / "genbench", "kernels", "--json", cwd=tmp_path))
    assert told["active"] == "fused" and told["genbench"] == genbench.__version__
    assert Path(told["build"]["library"]).is_relative_to(home)
    assert told["build"]["sources"] == digest(checkout)
    assert "fused" in {operation["backend"] for operation in told["operations"]}
    study = ("study", "mode-collapse", "--data", "ring8", "--losses", "non_saturating")
    run(home / "bin" / "genbench", *study, "--seeds", "1", "--steps", "4", cwd=tmp_path)
    assert list(tmp_path.glob("runs/**/report.html"))
