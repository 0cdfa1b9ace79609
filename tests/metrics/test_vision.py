"""torchvision beside a torch that it was not built for, and neither of the two packages there."""

import importlib.util
import subprocess
import sys

import pytest
import torch

from genbench.errors import InputError
from genbench.metrics.extractors import open_extractor, vision

needs_fidelity = pytest.mark.skipif(
    importlib.util.find_spec("torch_fidelity") is None, reason="torch-fidelity is not installed"
)


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


@pytest.fixture(scope="module")
def plain_import():
    return run("import torchvision")


# A torchvision that behaves as that of PyPI does beside a CPU torch, and counts its imports.
MISFIT = """
import sys
import torch
import torchvision.part
sys.imports = getattr(sys, "imports", 0) + 1
for name in ("nms", "qnms"):
    torch.library.register_fake(f"torchvision::{name}")(lambda dets, scores, iou: dets)
"""


def test_a_misfit_torchvision_is_imported(tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(MISFIT)
    (tmp_path / "torchvision" / "part.py").write_text("")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "try: import torchvision\n"
        "except RuntimeError as error: print(error)\n"
        "from genbench.metrics.extractors.vision import import_torchvision\n"
        "first, again = import_torchvision(), import_torchvision()\n"
        "import torchvision\n"
        "assert first is again is torchvision\n"
        "print(sys.imports)"
    )
    done = run(program)
    # in vain twice, then cured
    lines = ["operator torchvision::nms does not exist", "3"]
    assert done.stdout.splitlines() == lines, done.stderr


@needs_fidelity
def test_torch_fidelity_imports_here_whatever_torchvision_does(plain_import):
    program = (
        "from genbench.metrics.extractors import vision\n"
        "vision.import_fidelity().calculate_metrics\n"
        "print(len(vision._libraries))"
    )
    done = run(program)
    # the cure is used only where a plain import fails
    cured = plain_import.returncode != 0
    assert done.stdout == f"{int(cured)}\n", done.stderr
    assert not cured or "torchvision::nms does not exist" in plain_import.stderr


def test_other_faults_of_torchvision_are_not_hidden(monkeypatch):
    def broken(name):
        raise RuntimeError("something else")

    monkeypatch.setattr(vision.importlib, "import_module", broken)
    with pytest.raises(RuntimeError, match="something else"):
        vision.import_torchvision()
    with pytest.raises(
        InputError, match=r"^torch-fidelity cannot be imported \(something else\): "
    ):
        vision.import_fidelity()


@pytest.mark.parametrize("name", ["torchvision", "torch_fidelity"])
def test_a_missing_package_is_told_in_a_line(monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    if name == "torch_fidelity":
        monkeypatch.setattr(vision, "import_torchvision", lambda: None)
    weights = tmp_path / "weights.pth"
    torch.save({}, weights)
    with pytest.raises(InputError) as caught:
        open_extractor("inception", weights=weights)
    assert str(caught.value).startswith("torch-fidelity cannot be imported (import of ")
    assert str(caught.value).endswith("pip install -c constraints.txt 'genbench[fidelity]'")
