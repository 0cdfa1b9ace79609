"""tools/nvcc.py: the architectures a list asks for, and what is compiled again."""

import os
from pathlib import Path

import nvcc
import pytest
from nvcc import Refusal, Toolkit, architectures


@pytest.mark.parametrize(
    ("listed", "codes"),
    [
        ("8.0 9.0+PTX", "sm_80 sm_90 compute_90"),
        ("9.0a;8.6", "sm_90a sm_86"),
        ("7.5, 8.0 8.0 12.0+PTX", "sm_80 sm_120 compute_120"),
    ],
)
def test_architectures(listed, codes):
    assert architectures(listed) == tuple(codes.split())


@pytest.mark.parametrize("listed", ["Hopper", "8", "8.0-PTX", "7.5"])
def test_lists_that_are_refused(listed):
    with pytest.raises(Refusal, match=listed):
        architectures(listed)


@pytest.fixture
def project(tmp_path):
    """Two sources and a header, and a compiler that copies and counts."""
    folder = tmp_path / "csrc" / "cuda"
    folder.mkdir(parents=True)
    for name in ("a.cu", "b.cu", "shared.cuh"):
        (folder / name).write_text(name)
        os.utime(folder / name, (1, 1))
    compiler = tmp_path / "compiler"
    log = tmp_path / "log"
    compiler.write_text(
        f'#!/bin/sh\nfor last; do :; done\necho "$last" >> {log}\n'
        f'[ ! -e {tmp_path}/broken ] && touch "$last"\n'
    )
    compiler.chmod(0o755)
    return tmp_path, Toolkit(str(compiler), "1", ("sm_80",), ())


def compiled(project) -> list[str]:
    root, toolkit = project
    (root / "log").write_text("")
    made = nvcc.objects(toolkit, root, root / "build")
    assert [Path(path).name for path in made] == ["a.o", "b.o"]
    for path in (root / "build").iterdir():
        os.utime(path, (100, 100))  # long ago: what a test touches now is newer for certain
    return sorted(Path(line).name for line in (root / "log").read_text().split())


def test_what_is_compiled_again(project):
    root, toolkit = project
    both = ["a.part.o", "b.part.o"]
    assert compiled(project) == both
    assert compiled(project) == []
    os.utime(root / "csrc" / "cuda" / "a.cu", (200, 200))
    assert compiled(project) == ["a.part.o"]
    os.utime(root / "csrc" / "cuda" / "a.cu", (1, 1))
    os.utime(root / "csrc" / "cuda" / "shared.cuh", (200, 200))
    assert compiled(project) == both
    os.utime(root / "csrc" / "cuda" / "shared.cuh", (1, 1))
    other = Toolkit(toolkit.nvcc, "1", ("sm_90",), ())
    assert compiled((root, other)) == both


def test_a_source_that_does_not_compile(project):
    root, _ = project
    (root / "broken").touch()
    with pytest.raises(Refusal, match=r"could not compile a\.cu"):
        compiled(project)
    (root / "broken").unlink()
    assert compiled(project) == ["a.part.o", "b.part.o"]
